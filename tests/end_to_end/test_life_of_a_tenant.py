"""The life of a tenant on the embedded default, from the sign-up page until a clinic that owed has paid.

Real runtimes under the local supervisor, real PostgreSQL, the payment provider's double over HTTP, and one moved clock for all of them.
Each phase is a function; the test at the end tells them in order.
"""

import json
import re
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.installation import sign_in
from tests.support.mailbox import link_to, texts_to
from tests.support.payment_provider import serving
from tests.support.sample_versions import fulfilling
from tests.support.whole_platform import WholePlatform, goes_on_to, hidden, whole_platform

OWNER = "lola@example.com"
SLUG, COMPANY = "clinica-lola", "B58378431"
"""Pays corporate tax: Veri*Factu becomes its duty on 1 January 2027."""
CLINIC, TENANT = f"/account/clinics/{SLUG}", f"/v1/tenants/{SLUG}"
GOOD_CARD, REFUSING_CARD = "4242424242424242", "4000000000000341"
"""The second one is taken, and refuses every payment."""
SIGNED_UP = "2026-11-21T10:00:00+00:00"
NOTE = {"title": "Presupuesto de Ana"}


def at(day: str, hour: int = 10) -> datetime:
    return datetime.fromisoformat(day).replace(hour=hour, tzinfo=UTC)


@dataclass
class Life:
    """What the phases hand on."""

    world: WholePlatform
    folder: Path
    clinic: httpx2.Client | None = None
    """The owner at work in the clinic's own runtime."""

    @property
    def at_work(self) -> httpx2.Client:
        assert self.clinic is not None
        return self.clinic

    async def tenant(self) -> Any:
        return await self.world.get(TENANT)

    async def billing(self) -> Any:
        return await self.world.get(f"{TENANT}/billing")

    async def standing(self) -> Any:
        return await self.world.get(f"{TENANT}/standing")

    async def invoices(self) -> list[Any]:
        """The newest first."""
        found: list[Any] = (await self.world.get(f"{TENANT}/billing/invoices"))["items"]
        return found

    def subjects(self) -> list[str]:
        """Of the mails to the owner, the newest first."""
        return [text.partition("\n")[0] for text in texts_to(self.world.platform.settings.mails, OWNER)]

    def sign_in(self, url: str) -> None:
        if self.clinic is not None:
            self.clinic.close()
        self.clinic = sign_in(self.world.platform.settings.data, url, OWNER)

    def patients(self) -> list[str]:
        answer = self.at_work.get("/api/v1/patients")
        assert answer.status_code == 200, answer.text
        return sorted(one["last_name"] for one in answer.json()["data"])

    def admit(self, last_name: str) -> httpx2.Response:
        return self.at_work.post("/api/v1/patients", json={"first_name": "Ana", "last_name": last_name})

    def active(self) -> Any:
        return self.at_work.get("/api/v1/modules/-/active").json()["data"]

    def modules(self) -> set[str]:
        return {one["name"] for one in self.active()["modules"]}

    async def exported(self, name: str) -> Path:
        """What the owner asks for on the account pages and downloads by the mailed link, once."""
        await self.world.enter_account(OWNER)
        asked = await self.world.submit(f"{CLINIC}/data/export")
        assert asked.status_code == 303, asked.text
        await self.world.looks()
        return await self.downloaded(name)

    async def downloaded(self, name: str) -> Path:
        link = link_to(self.world.platform.settings.mails, OWNER, r"/exports/[\w-]{43}")
        assert (await self.world.site.get(link)).status_code == 200, "looking uses nothing up"
        answer, again = await self.world.site.post(link), await self.world.site.post(link)
        assert (answer.status_code, again.status_code) == (200, 404)
        file = self.folder / f"{name}.zip"
        file.write_bytes(answer.content)
        return file

    async def give_card(self, number: str) -> None:
        """The owner leaves for the provider's pages and types a card there."""
        await self.world.enter_account(OWNER)
        way = await self.world.submit(f"{CLINIC}/card")
        await self.world.at_the_provider(goes_on_to(way.text), card=number)
        await self.world.looks()


async def signs_up_for_a_trial(life: Life) -> None:
    world = life.world
    form = await world.site.get("/signup")
    assert "Demonstration: no money moves" in form.text
    clinic = {
        "name": "Clínica Lola",
        "email": OWNER,
        "country": "ES",
        "tax_id": COMPANY,
        "plan": "solo",
        "module": "patients",
        "payment": "trial",
    }
    sent = await world.submit("/signup", **hidden(form.text), **clinic)
    assert sent.status_code == 303, sent.text
    page = sent.headers["location"]
    assert "Opening Clínica Lola" in (await world.site.get(page)).text

    await world.looks()

    ready = (await world.site.get(page)).text
    tenant = await life.tenant()
    assert "Clínica Lola is ready" in ready
    assert tenant["url"] in ready
    assert (tenant["state"], tenant["in_sync"], tenant["chosen"]) == ("active", True, ["patients"])
    billing = await life.billing()
    assert (billing["status"], billing["has_method"], billing["quote"]["total"]) == ("trialing", False, "29.00")
    life.sign_in(tenant["url"])
    assert life.modules() == {"patients"}
    assert life.admit("Ruiz").status_code == 201


async def gives_a_card_and_the_trial_becomes_a_paid_month(life: Life) -> None:
    await life.world.moves_to(at("2026-12-03"))
    assert "la ley cambia el 1 de enero de 2027" in life.subjects()[0], "told 30 days before"
    await life.give_card(GOOD_CARD)
    billing = await life.billing()
    assert (billing["status"], billing["has_method"]) == ("trialing", True)

    await life.world.moves_to(at("2026-12-22"))

    billing = await life.billing()
    assert (billing["status"], billing["overdue_since"]) == ("active", None)
    assert [(one["net"], one["status"]) for one in await life.invoices() if Decimal(one["total"])] == [("29.00", "paid")]


async def adds_a_module_at_the_price_that_was_shown(life: Life) -> None:
    world = life.world
    await world.moves_to(at("2026-12-28"))
    await world.enter_account(OWNER)
    shown = await world.submit(f"{CLINIC}/plan", plan="solo", module=["patients", "agenda"])
    assert shown.status_code == 200, shown.text
    [now] = re.findall(r"<dt>Charged now, net</dt><dd>€([\d.]+)</dd>", shown.text)
    assert Decimal(0) < Decimal(now) < Decimal("12.00")

    confirmed = await world.submit(f"{CLINIC}/plan/confirm", **hidden(shown.text))
    assert confirmed.status_code == 303, confirmed.text
    await world.looks()

    assert life.modules() == {"patients", "agenda"}
    newest, *_ = await life.invoices()
    assert (newest["net"], newest["status"]) == (now, "paid"), "what was shown is what was charged"
    billing = await life.billing()
    assert billing["quote"]["total"] == "41.00"
    [subscription] = world.v1.subscriptions.list().data
    assert sum(item.price.unit_amount for item in subscription["items"].data) == 4100


async def the_law_s_day_comes(life: Life) -> None:
    await life.world.moves_to(at("2026-12-31"))
    assert life.modules() == {"patients", "agenda"}
    charged = [one["id"] for one in await life.invoices()]

    await life.world.moves_to(at("2027-01-01"))

    tenant = await life.tenant()
    reasons = {one["name"]: one["reason"]["kind"] for one in tenant["desired"]["modules"]}
    assert (tenant["state"], tenant["in_sync"], tenant["chosen"]) == ("active", True, ["agenda", "patients"])
    assert reasons["fiscal_module"] == "required_by_law"
    assert [one["status"] for one in tenant["compliance"]["obligations"] if one["id"] == "es-verifactu"] == ["required"]
    assert "la ley ha cambiado hoy" in life.subjects()[0]
    assert life.modules() == {"patients", "agenda", "fiscal_module"}
    assert life.at_work.post("/api/v1/fiscal_module/notes", json=NOTE).status_code == 201
    assert [one["id"] for one in await life.invoices()] == charged, "what the law adds costs nothing"
    assert (await life.billing())["quote"]["total"] == "41.00"


async def a_payment_fails_and_the_ladder_leads_to_read_only(life: Life) -> None:
    world = life.world
    await world.moves_to(at("2027-01-10"))
    await life.give_card(REFUSING_CARD)
    await world.moves_to(at("2027-01-22"))
    failed = at("2027-01-21")
    billing, standing = await life.billing(), await life.standing()
    assert (billing["status"], standing["state"], standing["why"]) == ("past_due", "banner", "unpaid")
    assert datetime.fromisoformat(standing["since"]).date() == failed.date()
    assert life.admit("Sanz").status_code == 201, "a banner takes nothing away"
    assert "unpaid" in str(life.active())

    await world.moves_to(failed + timedelta(days=8))
    assert (await life.standing())["announced"] == "no_new_modules"
    await world.moves_to(failed + timedelta(days=16))
    assert (await life.standing())["state"] == "no_new_modules"
    refused = await world.operator.post(f"{TENANT}/billing/preview", json={"modules": ["agenda", "sample"]})
    assert refused.status_code >= 400
    await world.moves_to(failed + timedelta(days=24))
    assert (await life.standing())["announced"] == "read_only"
    await world.moves_to(failed + timedelta(days=32))
    standing = await life.standing()
    assert (standing["state"], standing["mode"], standing["waits"]) == ("read_only", "read_only", None)


async def in_read_only_everything_is_read_and_exported_and_nothing_is_written(life: Life) -> None:
    refused = life.admit("Vega")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (403, "mode_read_only")
    assert "The clinic's owner can change that" in refused.json()["message"]
    written = life.at_work.post("/api/v1/fiscal_module/notes", json=NOTE)
    assert written.status_code == 403, "what the law added writes nothing either"
    assert life.patients() == ["Ruiz", "Sanz"]
    [ruiz] = [one for one in life.at_work.get("/api/v1/patients").json()["data"] if one["last_name"] == "Ruiz"]
    assert life.at_work.get(f"/api/v1/patients/{ruiz['id']}").status_code == 200
    week = {"from": "2027-02-15", "to": "2027-02-21"}
    assert life.at_work.get("/api/v1/agenda/calendar", params=week).status_code == 200
    life.sign_in((await life.tenant())["url"])
    active = life.active()
    assert active["mode"] == "read_only"
    assert "can be read, printed and exported" in active["banner"]

    archive = await life.exported("while-owing")
    with zipfile.ZipFile(archive) as packed:
        [records] = [name for name in packed.namelist() if name.endswith("patients.jsonl")]
        assert sorted(json.loads(line)["last_name"] for line in packed.read(records).splitlines()) == ["Ruiz", "Sanz"]
    assert (await life.standing())["state"] == "read_only"


async def pays_and_everything_is_back(life: Life) -> None:
    await life.give_card(GOOD_CARD)
    billing, standing = await life.billing(), await life.standing()
    assert (billing["status"], billing["overdue_since"]) == ("active", None)
    assert (standing["state"], standing["mode"]) == ("none", "normal")
    assert all(one["status"] == "paid" for one in await life.invoices())
    assert life.admit("Vega").status_code == 201


@pytest.fixture(scope="module")
def provider():
    """Webhooks are delivered when the platform looks, some twice and not in order."""
    with serving(manual=True) as provider:
        yield provider


@pytest.fixture
async def life(platform_settings, provider, tmp_path):
    fiscal = fulfilling(tmp_path / "first" / "fiscal", "es-verifactu", "0.1.0")
    async with whole_platform(platform_settings, provider, tmp_path, SIGNED_UP, fiscal) as world:
        provider.do("faults", duplicate=0.3, reorder=3, seed=7)
        made = Life(world, tmp_path)
        yield made
        if made.clinic is not None:
            made.clinic.close()


async def test_the_life_of_a_tenant(life):
    await signs_up_for_a_trial(life)
    await gives_a_card_and_the_trial_becomes_a_paid_month(life)
    await adds_a_module_at_the_price_that_was_shown(life)
    await the_law_s_day_comes(life)
    await a_payment_fails_and_the_ladder_leads_to_read_only(life)
    await in_read_only_everything_is_read_and_exported_and_nothing_is_written(life)
    await pays_and_everything_is_back(life)

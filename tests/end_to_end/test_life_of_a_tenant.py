"""The life of a tenant, from the sign-up page to the last receipt, on the embedded default.

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

import asyncpg
import httpx2
import pytest

from dentalpin_kit.archives import verify_archive
from tests.support.installation import sign_in
from tests.support.mailbox import link_to, texts_to
from tests.support.payment_provider import serving
from tests.support.platform import naming
from tests.support.runtime_env import make_overlay
from tests.support.sample_versions import ADD_COLOUR, fulfilling, migration
from tests.support.whole_platform import WholePlatform, goes_on_to, hidden, whole_platform

pytestmark = pytest.mark.timeout(900)

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
    superuser_url: str
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

    async def on_the_server(self, tenant_id: str) -> int:
        """Databases and roles that are this tenant's."""
        server = await asyncpg.connect(self.superuser_url)
        try:
            named = f"%{tenant_id.replace('-', '')}%"
            query = (
                "SELECT (SELECT count(*) FROM pg_database WHERE datname LIKE $1) + (SELECT count(*) FROM pg_roles WHERE rolname LIKE $1)"
            )
            return int(await server.fetchval(query, named))
        finally:
            await server.close()

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

    printed = life.at_work.get("/records/patients")
    assert [(name in printed.text) for name in ("Ruiz", "Sanz", "Vega")] == [True, True, False], "the page that people print"
    taken = life.at_work.get("/records/patients/csv")
    assert (taken.status_code, taken.text.count("\n"), "Sanz" in taken.text) == (200, 3, True)

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


async def a_campaign_brings_the_newer_release(life: Life) -> None:
    world = life.world
    colour = migration("sample_0002", "sample_0001", ADD_COLOUR.format(table="sample_notes"))
    newer = make_overlay(life.folder / "newer", fulfilling(life.folder / "second" / "fiscal", "es-verifactu", "0.2.0", sample_0002=colour))
    world.clock.install(newer)
    before = await life.tenant()
    release = (await world.ask("POST", "/v1/releases", {"environment": str(newer), "channel": "stable"}))["id"]
    wanted = {"name": "To fiscal 0.2", "release": release, "strategy": {"canary": 0, "waves": []}}
    campaign = await world.ask("POST", "/v1/campaigns", wanted)
    await world.ask("POST", f"/v1/campaigns/{campaign['id']}/start")
    await world.looks()
    [member] = (await world.get(f"/v1/campaigns/{campaign['id']}/members"))["items"]
    assert (member["state"], member["code"]) == ("waiting", "outside_window"), "by day the clinic is left alone"

    await world.moves_to(world.clock.now().replace(hour=1, minute=30) + timedelta(days=1))
    # The nightly backup may have gone first.
    await world.passes(minutes=10)

    campaign, after = await world.get(f"/v1/campaigns/{campaign['id']}"), await life.tenant()
    assert (campaign["state"], campaign["members"]) == ("completed", {"done": 1}), await world.get(
        f"/v1/campaigns/{campaign['id']}/members"
    )
    assert (after["state"], after["in_sync"], after["observed"]["release"]) == ("active", True, release)
    assert before["observed"]["release"] != release
    assert {one["name"]: one["version"] for one in after["observed"]["modules"]}["fiscal_module"] == "0.2.0"
    assert [one["title"] for one in life.at_work.get("/api/v1/fiscal_module/notes").json()["data"]] == ["Welcome", NOTE["title"]]


async def a_mistake_is_undone_from_a_backup(life: Life) -> None:
    world = life.world
    yesterday = world.clock.now()
    await world.passes(days=1)
    await world.passes(minutes=2)
    backup = next(one for one in (await world.get(f"{TENANT}/backups"))["items"] if one["cause"] == "scheduled")
    assert (backup["state"], datetime.fromisoformat(backup["requested_at"]) > yesterday) == ("ready", True), "every night there is one"
    kept = life.patients()
    [vega] = [one for one in life.at_work.get("/api/v1/patients").json()["data"] if one["last_name"] == "Vega"]
    assert life.at_work.post(f"/api/v1/patients/{vega['id']}/archive").status_code == 200
    assert life.admit("Nobody").status_code == 201
    assert life.patients() == ["Nobody", *(name for name in kept if name != "Vega")]

    await world.ask("POST", f"{TENANT}/backups/{backup['id']}/restore")
    await world.looks()

    tenant = await life.tenant()
    assert (tenant["state"], tenant["in_sync"]) == ("active", True)
    life.sign_in(tenant["url"])
    assert life.patients() == kept
    assert life.modules() == {"patients", "agenda", "fiscal_module"}
    assert (await life.billing())["quote"]["total"] == "41.00"


async def takes_everything_along(life: Life) -> None:
    archive = await life.exported("leaving")
    key = (await life.world.get("/v1/exports/signing-key"))["public_key"]
    found = verify_archive(archive, trusted=key)
    assert found.manifest["tenant"]["slug"] == SLUG


async def is_deleted_and_erased(life: Life) -> None:
    world = life.world
    id_ = (await life.tenant())["id"]
    [customer] = world.v1.customers.list().data
    await world.ask("DELETE", TENANT)
    await world.looks()
    assert (await life.tenant())["state"] == "closing"
    assert httpx2.get((await life.tenant())["url"], timeout=30).status_code == 503
    assert (await life.billing())["cancels_at_period_end"]

    await world.passes(days=15)

    tenant = await life.tenant()
    assert (tenant["state"], tenant["final_dump"] is not None) == ("deleted", True)
    [subscription] = world.v1.subscriptions.list({"status": "all"}).data
    assert subscription.status == "canceled"

    # The law asks for the records to be kept; the clinic does that itself from here on, with its last copy.
    [last] = [one for one in (await world.get(f"{TENANT}/exports"))["items"] if one["kind"] == "final"]
    await world.ask("POST", f"{TENANT}/exports/{last['id']}/link")
    await world.looks()
    await life.downloaded("last")
    erasure = await world.ask("POST", f"{TENANT}/erasures", {"confirm": SLUG, "reason": "the owner asked", "handed_over": True})
    await world.looks()

    receipts = {one["system"]: one["status"] for one in (await world.get(f"{TENANT}/erasures/{erasure['id']}"))["receipts"]}
    assert {system for system, status in receipts.items() if status == "erased"} >= {
        "account",
        "backups",
        "database",
        "last_copy",
        "mails",
        "runtime",
    }
    assert receipts["payment_provider"] == "kept", "invoices stay with whoever issued them"
    assert world.v1.customers.list().data == []
    assert world.v1.customers.retrieve(customer.id).deleted
    data = world.platform.settings.data
    assert not (data / "tenants" / id_).exists()
    assert [path for path in (data / "objects").rglob("*") if path.is_file() and id_ in str(path)] == []
    assert await life.on_the_server(id_) == 0
    assert await naming(world.platform, OWNER, COMPANY, "Clínica Lola", "Vega") <= {"audit_entry", "idempotent_answer"}


@pytest.fixture(scope="module")
def provider():
    """Webhooks are delivered when the platform looks, some twice and not in order."""
    with serving(manual=True) as provider:
        yield provider


@pytest.fixture
async def life(platform_settings, provider, postgres, tmp_path):
    fiscal = fulfilling(tmp_path / "first" / "fiscal", "es-verifactu", "0.1.0")
    async with whole_platform(platform_settings, provider, tmp_path, SIGNED_UP, fiscal) as world:
        provider.do("faults", duplicate=0.3, reorder=3, seed=7)
        made = Life(world, tmp_path, postgres.superuser_url)
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
    await a_campaign_brings_the_newer_release(life)
    await a_mistake_is_undone_from_a_backup(life)
    await takes_everything_along(life)
    await is_deleted_and_erased(life)

"""Changing what is paid, as an owner does it on the pages: seen before it is confirmed, and exactly that is done."""

import html
import re

import pytest

from control_plane.account_pages.routing import PATH
from control_plane.tenants import service as tenants
from tests.control_plane.account_pages.test_entering import OWN, enter
from tests.support.platform import api_of

CLINIC = f"{PATH}/clinics/sol"


@pytest.fixture
async def owner(billing):
    """The owner of a clinic with a trial, signed in."""
    await billing.trial("sol", modules=("agenda",))
    async with api_of(billing.platform) as site:
        site.headers.pop("Authorization")
        site.headers["Accept"] = "text/html"
        await enter(site, billing.platform, "owner@clinic.example")
        yield site


def hidden(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', text):
        found.setdefault(name, []).append(html.unescape(value))
    return found


async def test_a_change_shows_its_price_and_effects_and_does_exactly_that(billing, owner):
    page = (await owner.get(CLINIC)).text
    assert "Trial, no card yet" in page
    assert "€41.00" in page
    assert "Demonstration: no money moves" in page
    form = (await owner.get(f"{CLINIC}/plan")).text
    assert re.search(r'id="plan-solo"[^>]* checked', form)
    assert re.search(r'id="module-agenda"[^>]* checked', form)

    shown = (await owner.post(f"{CLINIC}/plan", data={"plan": "practice", "module": ["agenda", "inventory"]}, headers=OWN)).text
    assert "Solo becomes Practice" in shown
    assert "Inventory is added" in shown
    assert "€68.00" in shown

    confirmed = await owner.post(f"{CLINIC}/plan/confirm", data=hidden(shown), headers=OWN)
    assert confirmed.status_code == 303
    await billing.worker.drain()
    again = (await owner.get(CLINIC)).text
    assert "Practice" in again
    assert "€68.00" in again


async def test_what_was_shown_is_not_confirmed_once_something_changed(billing, owner):
    shown = (await owner.post(f"{CLINIC}/plan", data={"plan": "practice", "module": ["agenda"]}, headers=OWN)).text
    tampered = {**hidden(shown), "plan": ["group"]}
    refused = await owner.post(f"{CLINIC}/plan/confirm", data=tampered, headers=OWN)
    assert (refused.status_code, 'role="alert"' in refused.text) == (409, True)
    billing.move(hours=2)
    await enter(owner, billing.platform, "owner@clinic.example")
    late = await owner.post(f"{CLINIC}/plan/confirm", data=hidden(shown), headers=OWN)
    assert late.status_code == 409


async def test_a_mistaken_choice_is_said_on_the_form(owner):
    refused = await owner.post(f"{CLINIC}/plan", data={"plan": "platinum", "module": ["agenda"]}, headers=OWN)
    assert refused.status_code == 404
    assert "There is no such plan" in refused.text


async def test_the_card_is_given_on_the_provider_s_page_and_invoices_are_listed(billing, owner):
    way = (await owner.post(f"{CLINIC}/card", headers=OWN)).text
    [page] = re.findall(r'content="0; url=([^"]+)"', way)
    assert page.startswith(billing.provider.url)
    billing.provider.post(page, card="4242424242424242")
    billing.move(days=31)
    async with billing.platform.database.transaction() as session:
        tenant = await tenants.find(session, "sol")
    await billing.bill(tenant)
    await enter(owner, billing.platform, "owner@clinic.example")
    invoices = (await owner.get(f"{CLINIC}/invoices")).text
    assert "€41.00" in invoices
    assert "All is paid" in (await owner.get(CLINIC)).text

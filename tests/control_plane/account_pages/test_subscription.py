"""Choosing a plan, ending the subscription and keeping it, as an owner does on the pages."""

import html
import re

import pytest

from control_plane.account_pages.seeing import Used, usage
from control_plane.billing.states import AgreementStatus, ProviderName
from control_plane.plans.tariff import Limits
from control_plane.tenants import service as tenants
from tests.control_plane.account_pages.test_entering import OWN, enter
from tests.support.platform import api_of

CLINIC = "/account/clinics/sol"


@pytest.fixture
async def owner(transfers):
    """The owner of a clinic that nobody pays for yet, signed in."""
    await transfers.tenant("sol", modules=("agenda",))
    async with api_of(transfers.platform) as site:
        site.headers.pop("Authorization")
        site.headers["Accept"] = "text/html"
        await enter(site, transfers.platform, "owner@clinic.example")
        yield site


def offers(page: str) -> dict[str, dict[str, str]]:
    found = re.findall(r'name="plan" value="(\w+)"><input type="hidden" name="confirmation" value="([^"]+)"', page)
    return {plan: {"plan": plan, "confirmation": html.unescape(confirmation)} for plan, confirmation in found}


async def tenant_of(transfers):
    async with transfers.platform.database.transaction() as session:
        return await tenants.find(session, "sol")


async def test_a_plan_is_chosen_by_its_price_and_agreed_as_it_was_shown(transfers, owner):
    sent_on = await owner.get(f"{CLINIC}/plan")
    assert sent_on.headers["location"] == f"{CLINIC}/agree"
    page = (await owner.get(f"{CLINIC}/agree")).text
    assert [amount in page for amount in ("€41.00", "€59.00", "€149.00", "Free for 30 days")] == [True] * 4
    tampered = {**offers(page)["solo"], "plan": "practice"}
    refused = await owner.post(f"{CLINIC}/agree", data=tampered, headers=OWN)
    assert (refused.status_code, "Something changed since" in refused.text) == (409, True)

    agreed = await owner.post(f"{CLINIC}/agree", data=offers(page)["solo"], headers=OWN)
    assert agreed.status_code == 303
    await transfers.worker.drain()
    row = await transfers.agreement(await tenant_of(transfers))
    assert (row.plan, row.status, row.provider) == ("solo", AgreementStatus.TRIALING, ProviderName.MANUAL)
    assert (await owner.get(f"{CLINIC}/agree")).status_code == 303
    assert "Choose a plan" not in (await owner.get(CLINIC)).text


async def test_a_plan_is_agreed_anew_without_a_second_trial_once_the_subscription_has_ended(transfers, owner):
    sol = await tenant_of(transfers)
    await transfers.agree(sol, provider=ProviderName.MANUAL)
    subscription = (await transfers.agreement(sol)).subscription
    await transfers.platform.payments.get(ProviderName.MANUAL).cancel(subscription, at_period_end=False, key="over")
    assert (await transfers.bill(sol)).status is AgreementStatus.CANCELED
    page = (await owner.get(f"{CLINIC}/agree")).text
    assert "Free for" not in page
    assert "pay it by bank transfer" in page
    assert (await owner.post(f"{CLINIC}/agree", data=offers(page)["practice"], headers=OWN)).status_code == 303
    await transfers.worker.drain()
    row = await transfers.agreement(sol)
    assert (row.plan, row.status, row.trial_ends) == ("practice", AgreementStatus.ACTIVE, None)


async def test_the_subscription_is_ended_by_typing_and_kept_again(transfers, owner):
    sol = await tenant_of(transfers)
    await transfers.agree(sol, provider=ProviderName.MANUAL)
    assert "Nothing of your clinic is deleted" in (await owner.get(f"{CLINIC}/end")).text
    wrong = await owner.post(f"{CLINIC}/end", data={"confirm": "luna", "reason": "too dear"}, headers=OWN)
    assert (wrong.status_code, "Type exactly sol" in wrong.text, "too dear" in wrong.text) == (422, True, True)
    assert (await transfers.agreement(sol)).cancel_asked is None

    assert (await owner.post(f"{CLINIC}/end", data={"confirm": "sol"}, headers=OWN)).status_code == 303
    asked = (await owner.get(CLINIC)).text
    assert "The subscription ends" in asked
    await transfers.worker.drain()
    assert (await transfers.agreement(sol)).cancels_at_period_end is True
    assert (await owner.post(f"{CLINIC}/keep", headers=OWN)).status_code == 303
    await transfers.worker.drain()
    assert (await transfers.agreement(sol)).cancels_at_period_end is False
    assert "End the subscription" in (await owner.get(CLINIC)).text


def test_what_is_in_use_is_shown_beside_what_the_plan_has_room_for():
    shown = usage(Limits(clinics=1, users=5), {"users": 6, "storage_gb": 3})
    assert shown == [Used("users", 6, 5), Used("storage_gb", 3, None)]
    assert [one.over for one in shown] == [True, False]

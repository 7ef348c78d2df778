"""Answering a change of reseller where the mail about it leads."""

import re

from sqlalchemy import select

from control_plane.access import accounts
from control_plane.resellers import transfers
from control_plane.resellers.models import TenantTransfer
from control_plane.resellers.terms import Payer
from control_plane.tenants import service as tenants
from tests.control_plane.account_pages.test_entering import OWN, clinic, enter, mailed
from tests.support.billing import OPERATOR


async def asked(platform) -> str:
    """A clinic that is to go to a reseller; where the mail to its owner leads."""
    await clinic(platform)
    async with platform.database.transaction() as session:
        north = await accounts.create_reseller(session, "North Dental", at=platform.clock.now())
        sol = await tenants.find(session, "sol", lock=True)
        await transfers.ask(session, platform, sol, north.id, Payer.CLINIC, actor=OPERATOR)
    (mail,) = await mailed(platform, "ana@sol.example", "transfer_asked")
    return re.findall(r"http://platform\.example(/account/transfers/[\w-]+)", mail)[0]


async def the_transfer(platform) -> TenantTransfer:
    async with platform.database.transaction() as session:
        return (await session.scalars(select(TenantTransfer))).one()


async def test_the_owner_is_led_from_the_mail_to_the_question_and_declines(site, platform):
    page = await asked(platform)
    assert (await site.get(page)).status_code == 401
    await clinic(platform, "luna", "eva@luna.example")
    await enter(site, platform, "eva@luna.example")
    for foreign in (await site.get(page), await site.post(page, data={"answer": "agree"}, headers=OWN)):
        assert (foreign.status_code, "not yours to answer" in foreign.text) == (404, True)

    await enter(site, platform)
    assert f'href="{page}"' in (await site.get("/account/clinics/sol")).text
    shown = (await site.get(page)).text
    assert [
        part in shown for part in ("From DentalPin to North Dental", "North Dental gets access", "Prices stay", "The clinic pays by itself")
    ] == [True] * 4
    assert (await site.post(page, data={"answer": "decline", "note": "no, thanks"}, headers=OWN)).status_code == 303
    found = await the_transfer(platform)
    assert (found.state, found.reason) == ("declined", "The clinic declined: no, thanks")
    after = (await site.get(page)).text
    assert ("It was declined" in after, "<button" in after.split("<h2")[1]) == (True, False)
    late = await site.post(page, data={"answer": "agree"}, headers=OWN)
    assert (late.status_code, "answered already" in late.text) == (409, True)


async def test_agreeing_waits_for_the_others(site, platform):
    page = await asked(platform)
    await enter(site, platform)
    await site.post(page, data={"answer": "agree"}, headers=OWN)
    assert (await the_transfer(platform)).state == "requested"
    assert "It waits for the others" in (await site.get(page)).text

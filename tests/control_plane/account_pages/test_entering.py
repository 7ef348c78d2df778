"""Owners sign in by a mailed link or a password; what is not theirs does not exist for them."""

import re

from sqlalchemy import func, select

from control_plane.access import accounts
from control_plane.access.models import Account, TenantGrant
from control_plane.access.scopes import Kind, Role
from control_plane.mail.models import OutgoingMail
from control_plane.tenants import service as tenants
from control_plane.tenants.schemas import NewTenant
from tests.support.billing import OPERATOR

OWN = {"Origin": "http://platform.example"}


async def clinic(platform, slug: str = "sol", email: str = "ana@sol.example"):
    new = NewTenant.model_validate({"name": slug.title(), "slug": slug, "country": "ES", "owner_email": email, "modules": ["agenda"]})
    async with platform.database.transaction() as session:
        return (await tenants.create(session, platform, new, actor=OPERATOR)).tenant


async def mailed(platform, email: str, template: str = "account_link") -> list[str]:
    query = select(OutgoingMail.text).where(OutgoingMail.to == email, OutgoingMail.template == template).order_by(OutgoingMail.number)
    async with platform.database.transaction() as session:
        return [text or "" for text in await session.scalars(query)]


async def token_for(site, platform, email: str) -> str:
    asked = await site.post("/account/link", data={"email": email}, headers=OWN)
    assert asked.status_code == 200
    return re.findall(r"token=([\w.%-]+)", (await mailed(platform, email.lower()))[-1])[0]


async def enter(site, platform, email: str = "ana@sol.example"):
    answer = await site.post("/account/enter", data={"token": await token_for(site, platform, email)}, headers=OWN)
    assert answer.status_code == 303, answer.text
    return answer


async def test_the_link_lets_its_reader_in_once_and_looking_at_it_uses_nothing_up(site, platform):
    await clinic(platform)
    token = await token_for(site, platform, "Ana@sol.example")
    for _ in range(2):
        assert "Sign in now" in (await site.get(f"/account/enter?token={token}")).text
    entered = await site.post("/account/enter", data={"token": token}, headers=OWN)
    cookie = entered.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "path=/account" in cookie
    [address] = [(await site.get("/account")).headers["location"]]
    page = await site.get(address)
    assert (page.status_code, "Nothing is charged" in page.text, "ana@sol.example" in page.text) == (200, True, True)
    again = await site.post("/account/enter", data={"token": token}, headers=OWN)
    assert again.status_code == 410
    assert "used already" in again.text


async def test_nobody_learns_whether_an_address_owns_a_clinic(site, platform):
    await clinic(platform)
    known = await site.post("/account/link", data={"email": "ana@sol.example"}, headers=OWN)
    unknown = await site.post("/account/link", data={"email": "eva@sol.example"}, headers=OWN)
    assert known.text.replace("ana@", "eva@") == unknown.text
    assert await mailed(platform, "eva@sol.example") == []


async def test_what_is_another_s_is_not_there_and_who_is_not_signed_in_is_shown_how(site, platform):
    await clinic(platform)
    await clinic(platform, "luna", "eva@luna.example")
    nobody = await site.get("/account/clinics/sol")
    assert (nobody.status_code, "Mail me a link" in nobody.text) == (401, True)
    await enter(site, platform)
    foreign = await site.get("/account/clinics/luna")
    assert (foreign.status_code, "not yours" in foreign.text) == (404, True)
    forged = await site.post("/account/clinics/sol/data/backup", headers={"Origin": "https://evil.example"})
    assert forged.status_code == 403
    await site.post("/account/sign-out", headers=OWN)
    assert (await site.get("/account/clinics/sol")).status_code == 401


async def test_an_access_that_was_ended_does_not_come_back_with_the_next_link(site, platform):
    tenant = await clinic(platform)
    await enter(site, platform)
    async with platform.database.transaction() as session:
        grant = (await session.scalars(select(TenantGrant))).one()
        await accounts.end_grant(session, tenant, grant.id, at=platform.clock.now())
    await enter(site, platform)
    assert (await site.get("/account/clinics/sol")).status_code == 404
    async with platform.database.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(Account)) == 1


async def test_an_owner_lets_somebody_else_in_and_out_again(site, platform):
    await clinic(platform)
    await enter(site, platform)
    wrong = await site.post("/account/clinics/sol/people", data={"email": "eva"}, headers=OWN)
    assert (wrong.status_code, "not an e-mail address" in wrong.text) == (422, True)
    await site.post("/account/clinics/sol/people", data={"email": "eva@sol.example"}, headers=OWN)
    assert len(await mailed(platform, "eva@sol.example", "account_invited")) == 1
    people = (await site.get("/account/clinics/sol/people")).text
    [end] = re.findall(r'action="([^"]+/end)"', people)
    await enter(site, platform, "eva@sol.example")
    assert (await site.get("/account/clinics/sol")).status_code == 200
    await enter(site, platform)
    await site.post(end, headers=OWN)
    await enter(site, platform, "eva@sol.example")
    assert (await site.get("/account/clinics/sol")).status_code == 404


async def test_backups_and_exports_are_asked_for_here(site, platform):
    await clinic(platform)
    await enter(site, platform)
    page = await site.get("/account/clinics/sol/data")
    assert "ana@sol.example" in page.text
    # It is still being opened: there is nothing to keep or to export yet, and that is said on a page.
    refused = await site.post("/account/clinics/sol/data/export", headers=OWN)
    assert refused.status_code in (303, 409)
    assert "text/html" in refused.headers.get("content-type", "text/html")


async def test_who_read_the_mail_of_a_wrong_address_has_nothing_once_it_is_corrected(site, platform):
    """The link of a mistyped address let its reader in as the owner, who may erase the clinic: correcting the address ends that."""
    await clinic(platform, email="anna@sol.example")
    await enter(site, platform, "anna@sol.example")
    inside = await site.get("/account/clinics/sol")

    async def correct(address):
        async with platform.database.transaction() as session:
            await tenants.invite(session, platform, await tenants.find(session, "sol", lock=True), address, actor=OPERATOR)

    await correct("ana@sol.example")
    after = await site.get("/account/clinics/sol")
    await correct("anna@sol.example")
    back = await site.get("/account/clinics/sol")
    assert [one.status_code for one in (inside, after, back)] == [200, 404, 200]


async def test_whose_account_another_address_is_nobody_learns_here(site, platform):
    await clinic(platform)
    await enter(site, platform)
    now = platform.clock.now()
    async with platform.database.transaction() as session:
        operator = {"kind": Kind.OPERATOR, "role": Role.ADMIN, "email": "root@platform.example", "name": "x", "reseller_id": None}
        await accounts.create_account(session, **operator, at=now)
        gone = {**operator, "kind": Kind.OWNER, "role": Role.OWNER, "email": "gone@sol.example"}
        await accounts.disable(session, await accounts.create_account(session, **gone, at=now), at=now)
    told = [
        await site.post("/account/clinics/sol/people", data={"email": each}, headers=OWN)
        for each in ("root@platform.example", "gone@sol.example")
    ]
    assert [(one.status_code, "cannot be given access" in one.text, "operator" in one.text) for one in told] == [(422, True, False)] * 2

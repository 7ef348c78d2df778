"""A password for those who came by a mailed link, and another one for those who know the present one."""

from tests.control_plane.account_pages.test_entering import OWN, clinic, enter

FIRST, SECOND = "a long sentence to remember", "another sentence to remember"


async def test_an_owner_sets_a_password_signs_in_by_it_and_changes_it(site, platform):
    await clinic(platform)
    await enter(site, platform)
    assert "You have none" in (await site.get("/account/password")).text
    for new, again, status in ((FIRST, SECOND, 422), ("short", "short", 422), (FIRST, FIRST, 200)):
        answer = await site.post("/account/password", data={"new": new, "again": again}, headers=OWN)
        assert (answer.status_code, 'role="alert"' in answer.text) == (status, status != 200)

    site.cookies.clear()
    who = {"email": "ana@sol.example", "password": FIRST}
    assert (await site.post("/account/sign-in", data=who, headers=OWN)).status_code == 303
    blind = await site.post("/account/password", data={"new": SECOND, "again": SECOND}, headers=OWN)
    assert (blind.status_code >= 400, "The present password is wrong" in blind.text) == (True, True)
    changed = await site.post("/account/password", data={"current": FIRST, "new": SECOND, "again": SECOND}, headers=OWN)
    assert changed.status_code == 200
    site.cookies.clear()
    assert (await site.post("/account/sign-in", data=who, headers=OWN)).status_code == 401
    assert (await site.post("/account/sign-in", data={**who, "password": SECOND}, headers=OWN)).status_code == 303


async def test_who_forgot_it_sets_another_one_right_after_coming_by_a_mailed_link(site, platform, clock):
    await clinic(platform)
    await enter(site, platform)
    await site.post("/account/password", data={"new": FIRST, "again": FIRST}, headers=OWN)
    assert "Present password" not in (await site.get("/account/password")).text
    assert (await site.post("/account/password", data={"new": SECOND, "again": SECOND}, headers=OWN)).status_code == 200
    clock.advance(minutes=31)
    assert "Present password" in (await site.get("/account/password")).text
    late = await site.post("/account/password", data={"new": FIRST, "again": FIRST}, headers=OWN)
    assert (late.status_code >= 400, "The present password is wrong" in late.text) == (True, True)


async def test_who_is_not_signed_in_sets_no_password(site):
    assert (await site.post("/account/password", data={"new": FIRST, "again": FIRST}, headers=OWN)).status_code == 401

"""Managing a clinic's people, through HTTP. This runtime sends no mail, so links are handed over."""

import pytest

from tests.support.app import PASSWORD

USERS = "/api/v1/users"
NOTES = "/api/v1/shelf/notes"


@pytest.fixture
async def sol(clinic_app):
    """Ana administers Sol."""
    clinic = await clinic_app.add_clinic("Sol")
    await clinic_app.add_user(admin=clinic)
    return clinic


@pytest.fixture
async def ana(clinic_app, sol):
    async with await clinic_app.signed_in() as client:
        yield client


async def invite(client, email="bo@example.com", role="assistant", **more):
    return await client.post(USERS, json={"email": email, "role": role, **more})


def codes(answer):
    return [error["code"] for error in answer.json()["errors"]]


def token_of(url):
    return url.partition("token=")[2]


async def set_password(client, url, password=PASSWORD):
    return await client.post("/api/v1/auth/password/reset", json={"token": token_of(url), "password": password})


async def test_somebody_invited_sets_a_password_and_works_in_their_role(clinic_app, ana):
    invited = await invite(ana, "  Bo@Example.com ", full_name="Bo Sol")
    assert invited.status_code == 201, invited.text
    data = invited.json()["data"]
    assert (data["person"]["email"], data["person"]["role"], data["person"]["has_password"]) == ("bo@example.com", "assistant", False)
    assert data["link"]["url"].startswith("http://clinic.test/password?token=")
    async with clinic_app.client() as client:
        assert (await set_password(client, data["link"]["url"])).status_code == 200
        assert codes(await set_password(client, data["link"]["url"], "another long password")) == ["link_refused"]
    async with await clinic_app.signed_in("bo@example.com") as bo:
        assert (await bo.get(NOTES)).status_code == 200
        assert (await bo.get(USERS)).status_code == 403
    people = (await ana.get(USERS)).json()
    assert [(each["email"], each["has_password"], each["last_sign_in"] is not None) for each in people["data"]] == [
        ("ana@example.com", True, True),
        ("bo@example.com", True, True),
    ]


async def test_only_the_newest_link_of_a_person_works(clinic_app, ana):
    first = (await invite(ana)).json()["data"]
    second = (await ana.post(f"{USERS}/{first['person']['id']}/link", json={})).json()["data"]
    async with clinic_app.client() as client:
        assert codes(await set_password(client, first["link"]["url"])) == ["link_refused"]
        assert (await set_password(client, second["url"])).status_code == 200


async def test_a_link_that_expired_opens_nothing(clinic_app, ana):
    invited = (await invite(ana)).json()["data"]
    await clinic_app.sql("UPDATE account_links SET expires_at = now() - interval '1 second'")
    async with clinic_app.client() as client:
        assert codes(await set_password(client, invited["link"]["url"])) == ["link_refused"]


async def test_links_are_stored_as_digests_only(clinic_app, ana):
    invited = (await invite(ana)).json()["data"]
    assert token_of(invited["link"]["url"]) not in await clinic_app.sql("SELECT account_links::text FROM account_links")


async def test_who_has_an_account_in_another_clinic_keeps_it(clinic_app, sol, ana):
    luna = await clinic_app.add_clinic("Luna")
    await clinic_app.add_user("bo@example.com", dentist=luna)
    invited = await invite(ana)
    assert invited.status_code == 201
    assert invited.json()["data"]["link"] is None
    async with await clinic_app.signed_in("bo@example.com") as bo:
        roles = {each["name"]: each["role"] for each in (await bo.get("/api/v1/clinics")).json()["data"]}
    assert roles == {"Luna": "dentist", "Sol": "assistant"}


async def test_nobody_is_invited_twice(ana):
    await invite(ana)
    assert codes(await invite(ana, "BO@example.com")) == ["already_here"]


async def test_another_role_holds_from_the_next_request(clinic_app, sol, ana):
    bo_id = await clinic_app.add_user("bo@example.com", assistant=sol)
    async with await clinic_app.signed_in("bo@example.com") as bo:
        assert (await bo.post(NOTES, json={"body": "x"})).status_code == 403
        changed = await ana.patch(f"{USERS}/{bo_id}", json={"role": "dentist"})
        assert changed.json()["data"]["role"] == "dentist"
        assert (await bo.post(NOTES, json={"body": "x"})).status_code == 201


async def test_somebody_disabled_is_out_of_this_clinic_at_once_and_of_no_other(clinic_app, sol, ana):
    luna = await clinic_app.add_clinic("Luna")
    bo_id = await clinic_app.add_user("bo@example.com", dentist=sol)
    await clinic_app.add_member(bo_id, luna, "dentist")
    async with await clinic_app.signed_in("bo@example.com") as bo:
        await ana.patch(f"{USERS}/{bo_id}", json={"status": "disabled"})
        assert codes(await bo.get(NOTES, headers={"X-Clinic-Id": str(sol)})) == ["not_a_member"]
        assert (await bo.get(NOTES, headers={"X-Clinic-Id": str(luna)})).status_code == 200
        await ana.patch(f"{USERS}/{bo_id}", json={"status": "active"})
        assert (await bo.get(NOTES, headers={"X-Clinic-Id": str(sol)})).status_code == 200


async def test_disabled_in_their_last_clinic_they_are_signed_out(clinic_app, sol, ana):
    bo_id = await clinic_app.add_user("bo@example.com", dentist=sol)
    async with await clinic_app.signed_in("bo@example.com") as bo:
        await ana.patch(f"{USERS}/{bo_id}", json={"status": "disabled"})
        assert (await bo.get("/api/v1/auth/me")).status_code == 401


async def test_a_clinic_keeps_an_administrator_who_can_sign_in(clinic_app, sol, ana):
    [me] = (await ana.get(USERS)).json()["data"]
    assert codes(await ana.patch(f"{USERS}/{me['id']}", json={"role": "dentist"})) == ["last_admin"]
    await invite(ana, "bo@example.com", "admin")
    assert codes(await ana.patch(f"{USERS}/{me['id']}", json={"role": "dentist"})) == ["last_admin"]
    await clinic_app.add_user("eva@example.com", admin=sol)
    assert (await ana.patch(f"{USERS}/{me['id']}", json={"role": "dentist"})).status_code == 200


async def test_of_two_administrators_who_demote_each_other_one_remains(clinic_app, sol, ana):
    import asyncio

    eva_id = await clinic_app.add_user("eva@example.com", admin=sol)
    ana_id = await clinic_app.sql("SELECT id FROM users WHERE email = 'ana@example.com'")
    async with await clinic_app.signed_in("eva@example.com") as eva:
        answers = await asyncio.gather(
            ana.patch(f"{USERS}/{eva_id}", json={"role": "dentist"}), eva.patch(f"{USERS}/{ana_id}", json={"role": "dentist"})
        )
    assert min(answer.status_code for answer in answers) == 200
    assert await clinic_app.sql("SELECT count(*) FROM memberships WHERE role = 'admin'") == 1


async def test_nobody_disables_themselves(clinic_app, sol, ana):
    ana_id = await clinic_app.sql("SELECT id FROM users WHERE email = 'ana@example.com'")
    await clinic_app.add_user("eva@example.com", admin=sol)
    assert codes(await ana.patch(f"{USERS}/{ana_id}", json={"status": "disabled"})) == ["not_yourself"]
    assert codes(await ana.post(f"{USERS}/{ana_id}/link", json={})) == ["not_yourself"]


@pytest.fixture
async def clerk(clinic_app, sol, ana):
    """Bo manages people in Sol and may do nothing else there."""
    await ana.post("/api/v1/roles", json={"name": "clerk", "granted": ["admin.users.*"]})
    await clinic_app.add_user("bo@example.com", clerk=sol)
    async with await clinic_app.signed_in("bo@example.com") as client:
        yield client


async def test_who_manages_people_cannot_rise_above_themselves(clinic_app, sol, clerk):
    ana_id = await clinic_app.sql("SELECT id FROM users WHERE email = 'ana@example.com'")
    bo_id = await clinic_app.sql("SELECT id FROM users WHERE email = 'bo@example.com'")
    assert codes(await invite(clerk, "x@example.com", "admin")) == ["beyond_your_own"]
    assert codes(await clerk.patch(f"{USERS}/{bo_id}", json={"role": "dentist"})) == ["beyond_your_own"]
    assert codes(await clerk.patch(f"{USERS}/{ana_id}", json={"role": "clerk"})) == ["beyond_your_own"]
    assert codes(await clerk.patch(f"{USERS}/{ana_id}", json={"status": "disabled"})) == ["beyond_your_own"]
    for refused in (
        await clerk.post(f"{USERS}/{ana_id}/link", json={"deliver": "link"}),
        await clerk.post(f"{USERS}/{ana_id}/sign-out"),
        await clerk.delete(f"{USERS}/{ana_id}/second-factor"),
        await clerk.patch(f"{USERS}/{ana_id}", json={"full_name": "Somebody"}),
    ):
        assert refused.status_code == 403
        assert codes(refused) == ["beyond_your_own"]


async def test_an_account_that_also_works_elsewhere_is_not_this_clinics_to_open(clinic_app, sol, ana):
    luna = await clinic_app.add_clinic("Luna")
    bo_id = await clinic_app.add_user("bo@example.com", assistant=sol)
    assert (await ana.post(f"{USERS}/{bo_id}/link", json={})).status_code == 201
    await clinic_app.add_member(bo_id, luna, "receptionist")
    for refused in (
        await ana.post(f"{USERS}/{bo_id}/link", json={}),
        await ana.delete(f"{USERS}/{bo_id}/second-factor"),
        await ana.post(f"{USERS}/{bo_id}/sign-out"),
    ):
        assert refused.status_code == 403
        assert codes(refused) == ["account_shared"]


async def test_the_owner_is_nobody_elses_to_change(clinic_app, sol, ana):
    owner = await clinic_app.add_user("owner@example.com", owner=True, admin=sol)
    for refused in (
        await ana.patch(f"{USERS}/{owner}", json={"role": "dentist"}),
        await ana.post(f"{USERS}/{owner}/link", json={}),
        await ana.post(f"{USERS}/{owner}/sign-out"),
    ):
        assert codes(refused) == ["owner_protected"]


async def test_a_reset_by_an_administrator_ends_the_sessions_and_sets_another_password(clinic_app, sol, ana):
    bo_id = await clinic_app.add_user("bo@example.com", assistant=sol)
    async with await clinic_app.signed_in("bo@example.com") as bo, clinic_app.client() as client:
        link = (await ana.post(f"{USERS}/{bo_id}/link", json={})).json()["data"]
        assert (await set_password(client, link["url"], "a new and better one")).status_code == 200
        assert (await bo.get("/api/v1/auth/me")).status_code == 401
    async with await clinic_app.signed_in("bo@example.com", "a new and better one") as bo:
        assert (await bo.get("/api/v1/auth/me")).status_code == 200


async def test_signing_somebody_out_ends_their_sessions(clinic_app, sol, ana):
    bo_id = await clinic_app.add_user("bo@example.com", assistant=sol)
    async with await clinic_app.signed_in("bo@example.com") as bo:
        assert (await ana.post(f"{USERS}/{bo_id}/sign-out")).status_code == 200
        assert (await bo.get("/api/v1/auth/me")).status_code == 401


async def test_people_of_another_clinic_are_not_there(clinic_app, ana):
    luna = await clinic_app.add_clinic("Luna")
    eva = await clinic_app.add_user("eva@example.com", dentist=luna)
    assert [each["email"] for each in (await ana.get(USERS)).json()["data"]] == ["ana@example.com"]
    for refused in (
        await ana.get(f"{USERS}/{eva}"),
        await ana.patch(f"{USERS}/{eva}", json={"status": "disabled"}),
        await ana.post(f"{USERS}/{eva}/link", json={}),
        await ana.post(f"{USERS}/{eva}/sign-out"),
        await ana.delete(f"{USERS}/{eva}/second-factor"),
    ):
        assert codes(refused) == ["person_unknown"]


async def test_the_list_is_searched_and_paged(clinic_app, sol, ana):
    for number in range(3):
        await clinic_app.add_user(f"bo_{number}@example.com", assistant=sol)
    found = (await ana.get(USERS, params={"search": "bo_", "page_size": 2, "page": 2})).json()
    assert (found["total"], [each["email"] for each in found["data"]]) == (3, ["bo_2@example.com"])
    assert (await ana.get(USERS, params={"search": "%"})).json()["total"] == 0


async def test_the_clinics_trail_holds_what_happened_to_its_people_and_their_sign_ins(clinic_app, sol, ana):
    luna = await clinic_app.add_clinic("Luna")
    await clinic_app.add_user("eva@example.com", admin=luna)
    async with await clinic_app.signed_in("eva@example.com") as eva:
        await invite(eva, "new@luna.example")
    await invite(ana)
    entries = (await ana.get(f"{USERS}/-/trail")).json()["data"]
    assert [(entry["event"], entry["email"]) for entry in entries] == [
        ("person_invited", "bo@example.com"),
        ("signed_in", "ana@example.com"),
    ]
    assert [entry["event"] for entry in (await ana.get(f"{USERS}/-/trail", params={"event": "signed_in"})).json()["data"]] == ["signed_in"]


@pytest.mark.parametrize(
    "given", [{"email": "no address"}, {"email": "a@b", "role": "Admin"}, {"email": "a@b.example", "role": "janitor"}, {"role": "dentist"}]
)
async def test_what_is_no_invitation_is_refused(ana, given):
    answer = await ana.post(USERS, json={"role": "dentist", **given} if "role" not in given else given)
    assert answer.status_code in (404, 422)
    assert answer.json()["data"] is None


async def test_mail_that_cannot_be_sent_is_not_promised(ana):
    assert codes(await invite(ana, deliver="mail")) == ["cannot_mail"]

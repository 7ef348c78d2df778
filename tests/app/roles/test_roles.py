"""A clinic's roles, through HTTP."""

import pytest

ROLES = "/api/v1/roles"
NOTES = "/api/v1/shelf/notes"


@pytest.fixture
async def sol(clinic_app):
    """Ana administers Sol."""
    clinic = await clinic_app.add_clinic("Sol")
    await clinic_app.add_user(admin=clinic)
    return clinic


@pytest.fixture
async def client(clinic_app, sol):
    async with await clinic_app.signed_in() as client:
        yield client


async def add_role(client, **given):
    return await client.post(ROLES, json={"name": "trainee", **given})


def of_shelf(role):
    """Of what a role comes to, what the module grants: the core grants some to every role."""
    return [name for name in role["permissions"] if name.startswith("shelf.")]


def codes(answer):
    return [error["code"] for error in answer.json()["errors"]]


async def test_every_clinic_has_the_five_standard_roles_and_what_they_come_to(client):
    roles = {role["name"]: role for role in (await client.get(ROLES)).json()["data"]}
    assert list(roles) == ["admin", "dentist", "hygienist", "assistant", "receptionist"]
    assert all(role["standard"] for role in roles.values())
    assert roles["admin"]["people"] == 1
    assert of_shelf(roles["assistant"]) == ["shelf.notes.read"]
    assert of_shelf(roles["hygienist"]) == []


async def test_a_role_of_the_clinics_own_holds_for_its_people_from_the_next_request(clinic_app, sol, client):
    made = await add_role(client, title="Trainee", based_on="assistant", granted=["shelf.notes.write"])
    assert made.status_code == 201, made.text
    assert of_shelf(made.json()["data"]) == ["shelf.notes.read", "shelf.notes.write"]
    await clinic_app.add_user("bo@example.com", trainee=sol)
    async with await clinic_app.signed_in("bo@example.com") as bo:
        assert (await bo.post(NOTES, json={"body": "mine"})).status_code == 201
        changed = await client.patch(f"{ROLES}/trainee", json={"granted": [], "denied": ["shelf.notes.*"]})
        assert of_shelf(changed.json()["data"]) == []
        refused = await bo.get(NOTES)
    assert refused.status_code == 403
    assert refused.json()["errors"][0]["role"] == "trainee"


async def test_a_role_of_one_clinic_does_not_exist_in_another(clinic_app, client):
    await add_role(client)
    luna = await clinic_app.add_clinic("Luna")
    await clinic_app.add_user("eva@example.com", admin=luna)
    async with await clinic_app.signed_in("eva@example.com") as eva:
        assert "trainee" not in [role["name"] for role in (await eva.get(ROLES)).json()["data"]]
        assert codes(await eva.patch(f"{ROLES}/trainee", json={"title": "x"})) == ["role_unknown"]
        assert codes(await eva.delete(f"{ROLES}/trainee")) == ["role_unknown"]
        assert (await add_role(eva)).status_code == 201


async def test_a_standard_role_can_be_widened_and_narrowed_but_not_removed(client):
    changed = await client.patch(f"{ROLES}/hygienist", json={"granted": ["shelf.labels.read"]})
    assert of_shelf(changed.json()["data"]) == ["shelf.labels.read"]
    assert codes(await client.delete(f"{ROLES}/hygienist")) == ["role_is_standard"]


async def test_admin_stays_as_it_is(clinic_app, client):
    assert codes(await client.patch(f"{ROLES}/admin", json={"denied": ["admin.roles.write"]})) == ["admin_is_fixed"]
    with pytest.raises(Exception, match="ck_roles_admin_is_whole"):
        await clinic_app.sql("UPDATE roles SET denied = '[\"admin.*\"]' WHERE name = 'admin'")


async def test_a_role_somebody_has_is_not_removed(clinic_app, sol, client):
    await add_role(client)
    bo = await clinic_app.add_user("bo@example.com", trainee=sol)
    refused = await client.delete(f"{ROLES}/trainee")
    assert refused.status_code == 409
    assert codes(refused) == ["role_in_use"]
    await clinic_app.sql("UPDATE memberships SET role = 'assistant' WHERE user_id = $1", bo)
    assert (await client.delete(f"{ROLES}/trainee")).status_code == 200
    assert codes(await client.delete(f"{ROLES}/trainee")) == ["role_unknown"]


async def test_nobody_gives_what_they_do_not_have(clinic_app, sol, client):
    await add_role(client, name="clerk", granted=["admin.roles.*", "shelf.notes.read"])
    await clinic_app.add_user("bo@example.com", clerk=sol)
    async with await clinic_app.signed_in("bo@example.com") as bo:
        for given in ({"granted": ["admin.users.write"]}, {"granted": ["shelf.*"]}, {"based_on": "admin"}):
            refused = await add_role(bo, **given)
            assert refused.status_code == 403, given
            assert codes(refused) == ["beyond_your_own"]
        assert (await add_role(bo, granted=["shelf.notes.read"])).status_code == 201
        assert codes(await bo.patch(f"{ROLES}/clerk", json={"granted": ["admin.*"]})) == ["beyond_your_own"]


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ({"name": "Trainee"}, 422, "invalid"),
        ({"name": "dentist"}, 409, "role_exists"),
        ({"based_on": "janitor"}, 404, "role_unknown"),
        ({"granted": ["shelf.nots.read"]}, 422, "permission_unknown"),
        ({"denied": ["elsewhere.*"]}, 422, "permission_unknown"),
        ({"granted": ["*"]}, 422, "invalid"),
    ],
)
async def test_what_is_no_role_is_refused(client, given, status, code):
    answer = await add_role(client, **given)
    assert answer.status_code == status, answer.text
    if code != "invalid":
        assert codes(answer) == [code]


async def test_a_membership_has_a_role_of_its_clinic(clinic_app, sol):
    with pytest.raises(Exception, match="fk_memberships_role"):
        await clinic_app.add_user("bo@example.com", janitor=sol)


async def test_changes_of_roles_are_in_the_trail(clinic_app, sol, client):
    await add_role(client)
    await client.delete(f"{ROLES}/trainee")
    assert await clinic_app.sql("SELECT array_agg(event ORDER BY id) FROM access_log WHERE clinic_id = $1", sol) == [
        "role_created",
        "role_removed",
    ]

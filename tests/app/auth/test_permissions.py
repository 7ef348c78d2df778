"""What roles may do, and that it is asked at every route."""

import pytest

from app.core.auth.permissions import ROLE_PERMISSIONS, ROLES, Permissions, RoleGrants, permissions_for
from tests.support.app import ShelfModule, build, mounted


@pytest.mark.parametrize(
    ("role", "read", "write"),
    [("admin", 200, 201), ("dentist", 200, 201), ("assistant", 200, 403), ("hygienist", 403, 403), ("receptionist", 403, 403)],
)
async def test_a_role_may_do_what_the_module_grants_it(clinic_app, role, read, write):
    await clinic_app.add_user(**{role: await clinic_app.add_clinic()})
    async with await clinic_app.signed_in() as client:
        assert (await client.get("/api/v1/shelf/notes")).status_code == read
        answer = await client.post("/api/v1/shelf/notes", json={"body": "x"})
    assert answer.status_code == write


async def test_a_refusal_names_the_permission_and_the_role(clinic_app):
    await clinic_app.add_user(hygienist=await clinic_app.add_clinic())
    async with await clinic_app.signed_in() as client:
        answer = await client.get("/api/v1/shelf/notes")
    assert answer.json()["errors"] == [{"code": "permission_denied", "permission": "shelf.notes.read", "role": "hygienist"}]


async def test_a_module_that_is_gone_takes_its_routes_and_grants_along(clinic_app):
    await clinic_app.add_user(admin=await clinic_app.add_clinic())
    async with await clinic_app.signed_in() as client:
        permissions = (await client.get("/api/v1/auth/me")).json()["data"]["permissions"]
    assert {"shelf.notes.read", "shelf.labels.read", "admin.clinic.write"} <= set(permissions)
    without = build(clinic_app.schema, clinic_app.database)
    async with await without.signed_in() as client:
        permissions = (await client.get("/api/v1/auth/me")).json()["data"]["permissions"]
        assert (await client.get("/api/v1/shelf/notes")).status_code == 404
    assert [name for name in permissions if name.startswith("shelf.")] == []


def test_the_core_grants_its_own_permissions_only():
    assert set(ROLE_PERMISSIONS) == set(ROLES)
    assert {pattern.split(".")[0] for patterns in ROLE_PERMISSIONS.values() for pattern in patterns} == {"admin", "agents"}


def test_wildcards_cover_what_lies_below_them():
    granted = Permissions({"admin.*", "shelf.notes.*", "shelf.labels.read"})
    assert "admin.clinic.write" in granted
    assert "shelf.notes.read" in granted
    assert "shelf.labels.read" in granted
    assert "shelf.labels.write" not in granted
    assert "administrator.clinic" not in granted
    assert "anything" in Permissions({"*"})


def test_a_role_based_on_nothing_may_do_what_it_is_granted():
    shelf = mounted(ShelfModule())
    assert permissions_for(RoleGrants(None), shelf) == frozenset()
    assert permissions_for(RoleGrants(None, ("shelf.notes.*", "gone.things.read")), shelf) == {"shelf.notes.read", "shelf.notes.write"}


def test_a_denial_wins_over_every_grant():
    shelf = mounted(ShelfModule())
    assert permissions_for(RoleGrants("dentist", ("shelf.labels.read",), ("shelf.notes.write",)), shelf) == {
        "agents.use",
        "shelf.notes.read",
        "shelf.labels.read",
    }
    assert permissions_for(RoleGrants("dentist", ("shelf.labels.read",), ("shelf.*",)), shelf) == {"agents.use"}


def test_a_denial_below_a_wildcard_of_the_core_is_not_covered_again():
    narrowed = permissions_for(RoleGrants("admin", (), ("admin.users.*",)), mounted())
    assert "admin.clinic.write" in narrowed
    assert "agents.approvals.write" in narrowed
    assert "admin.users.write" not in narrowed
    assert "admin.users.anything" not in narrowed

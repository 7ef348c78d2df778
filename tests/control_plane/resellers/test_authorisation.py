"""Resellers' people × what belongs to their own reseller, to another, and to clinics that granted it, did not, or took it back.

What every role reaches at all is in tests/control_plane/access/test_authorisation_matrix.py; here is whose it must be.
"""

import httpx2
import pytest

from control_plane.access.declarations import declarations
from control_plane.access.scopes import ROLES, Kind, Role
from control_plane.main import create_app
from tests.control_plane.resellers.conftest import owner_of, revoke

NOBODYS = "00000000-0000-4000-8000-000000000001"
ROLE = {"admin": Role.ADMIN, "staff": Role.STAFF}
LET = "let through"


@pytest.fixture
async def app(platform):
    return create_app(platform)


async def answer(app, method, path, headers):
    while "{" in path:
        path = f"{path.partition('{')[0]}{NOBODYS}{path.partition('}')[2]}"
    path = path.replace(f"statements/{NOBODYS}/{NOBODYS}", "statements/2027-01/EUR")
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app, raise_app_exceptions=False), base_url="http://p.example") as browser:
        found = await browser.request(method, path, headers=headers, json={})
    # A page that says what is wrong with what was typed let its reader through.
    refused = found.status_code >= 400 and "json" in found.headers["content-type"]
    return found.json().get("code", LET) if refused else LET


async def test_a_reseller_s_own_things_are_reached_by_its_own_people_only(app, north, south):
    """Its own are let in as far as their role goes (a 404 or 422 of what lies beyond says that they were); for others there is no such."""
    wrong = []
    for declared in declarations(app):
        if "{reseller_id}" not in declared.path:
            continue
        for role, headers in north.headers.items():
            allowed = ROLES[Kind.RESELLER, ROLE[role]].issuperset(declared.scopes)
            expected = "scope_needed" if not allowed else None if declared.own else "for_operators"
            own = await answer(app, declared.method, declared.path.replace("{reseller_id}", north.id), headers)
            other = await answer(app, declared.method, declared.path.replace("{reseller_id}", south.id), headers)
            if expected is None:
                refused = own in ("scope_needed", "for_operators", "unknown_reseller")
                # What is asked for is read first: an empty request is refused as such before anybody's reseller is looked for.
                shown = other not in ("unknown_reseller", "invalid_request")
                wrong += [(declared.name, role, own, other)] if refused or shown else []
            elif (own, other) != (expected, expected):
                wrong.append((declared.name, role, own, other))
    assert wrong == []


async def test_a_clinic_is_reached_where_it_granted_it_and_nowhere_after_it_revoked_it(app, client, platform, north, south, luna):
    await south.opens("stella")
    await north.opens("vega")
    vega = await owner_of(platform, "vega")
    await revoke(client, north, "vega", vega)
    reading = [one for one in declarations(app) if "{slug}" in one.path and one.method in ("GET", "PUT", "POST", "DELETE")]
    wrong = []
    for declared in reading:
        scopes = ROLES[Kind.RESELLER, Role.ADMIN]
        if not scopes.issuperset(declared.scopes):
            continue
        for slug in ("stella", "vega"):
            found = await answer(app, declared.method, declared.path.replace("{slug}", slug), north.headers["admin"])
            if found != "unknown_tenant":
                wrong.append((declared.name, slug, found))
    assert wrong == []
    assert len(reading) > 30
    granted = [(await client.get("/v1/tenants/luna", headers=headers)).status_code for headers in (*north.headers.values(), luna)]
    assert granted == [200, 200, 200]


async def test_somebody_who_was_dismissed_reaches_nothing(client, north):
    (staff,) = [one["id"] for one in (await north.ask("GET", "/staff")).json()["items"] if one["role"] == "staff"]
    await north.ask("DELETE", f"/staff/{staff}")
    assert (await north.ask("GET", role="staff")).json()["code"] == "not_authenticated"


async def test_an_owner_has_no_business_with_resellers_but_with_its_own_clinic_s_transfers(client, north, luna):
    refused = [await client.get(path, headers=luna) for path in ("/v1/resellers", north.path, f"{north.path}/commission")]
    assert {answer.json()["code"] for answer in refused} == {"scope_needed"}
    assert (await client.get("/v1/tenants/luna/transfers", headers=luna)).status_code == 200

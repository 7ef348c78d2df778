"""Every route × every role × {own clinic, other clinic, nobody}: the answer is the one the route declares.

The endpoints are replaced by one that says it was reached, so that nothing happens and every cell starts from the same state.
"""

from uuid import UUID

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from pydantic import SecretStr
from starlette.routing import Route

from app.core.auth.declarations import OPEN, PLATFORM, TOKEN, Access, Undeclared, declarations, routes
from app.core.auth.permissions import ROLES, RoleGrants, permissions_for
from app.testing.clinics import SECRET

REACHED = 418
AUTHORISED = {REACHED, 422}
"""A body that is missing is looked at after who sends it."""
SOMETHING = UUID("00000000-0000-4000-8000-000000000001")


async def reached(**_: object):
    raise HTTPException(REACHED)


@pytest.fixture
async def app(clinic_database, runtime_database, mounted, tmp_path):
    """The application as it is served, with both official modules."""
    from app.config import Settings
    from app.core.plugins.registry import module_registry
    from app.core.runtime.routers import serving_routers
    from app.main import create_app

    settings = Settings(secret_key=SecretStr(SECRET), storage=tmp_path)
    app = create_app(settings, module_registry, database=runtime_database, routers=serving_routers())
    replaced = []
    for route in routes(app):
        dependant = getattr(route, "dependant", None)
        keys = {(method, route.path) for method in route.methods or ()}
        if dependant is not None and not keys & PLATFORM.keys():
            replaced.append((dependant, dependant.call))
            dependant.call = reached
    yield app
    for dependant, call in replaced:
        dependant.call = call


@pytest.fixture
async def client(app):
    import httpx2

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://clinic.test") as client:
        yield client


async def ask(client, declared, headers):
    path = declared.path
    while "{" in path:
        path = f"{path.partition('{')[0]}{SOMETHING}{path.partition('}')[2]}"
    answer = await client.request(declared.method, path, headers={"Accept": "application/json", **headers})
    if answer.status_code in AUTHORISED:
        return "let through"
    errors = answer.json().get("errors", []) if answer.headers["content-type"].startswith("application/json") else []
    return errors[0]["code"] if errors else answer.status_code


def expected(declared, who, permissions):
    """What a route answers to somebody of these permissions who names their own clinic, another one, or is nobody."""
    if declared.access is Access.OPEN:
        return "let through"
    if who == "nobody":
        return "not_signed_in"
    if declared.access is Access.SIGNED_IN:
        return "let through"
    if who == "other clinic":
        return "not_a_member"
    allowed = declared.access is Access.MEMBER or all(permission in permissions for permission in declared.permissions)
    if allowed and declared.everywhere:
        # There are two clinics, and everybody works in one.
        return "permission_needed_in_every_clinic"
    return "let through" if allowed else "permission_denied"


async def differences(app, client, headers, who, permissions=frozenset()):
    return [
        (declared.name, who, found, wanted)
        for declared in declarations(app)
        if declared.access not in (Access.PLATFORM, Access.BEARER) and "/openapi.json" not in declared.path
        if (found := await ask(client, declared, headers)) != (wanted := expected(declared, who, permissions))
    ]


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_reaches_what_is_declared_for_it_in_its_own_clinic_and_nothing_in_another(app, client, two_clinics, role):
    permissions = permissions_for(RoleGrants.standard(role), app.state.registry)
    headers = two_clinics.a.headers_of(role)
    assert await differences(app, client, headers, "own clinic", permissions) == []
    assert await differences(app, client, {**headers, "X-Clinic-Id": str(two_clinics.b.id)}, "other clinic") == []


@pytest.mark.parametrize(("role", "answer"), [("admin", "let through"), ("dentist", "permission_needed_in_every_clinic")])
async def test_what_concerns_every_clinic_takes_the_permission_in_every_clinic(app, client, two_clinics, operations, role, answer):
    person = two_clinics.a.people["admin"]
    await operations.fetch("INSERT INTO memberships (user_id, clinic_id, role) VALUES ($1, $2, $3)", person, two_clinics.b.id, role)
    headers = {**two_clinics.a.headers_of("admin"), "X-Clinic-Id": str(two_clinics.a.id)}
    everywhere = [declared for declared in declarations(app) if declared.everywhere]
    assert len(everywhere) > 3
    assert {await ask(client, declared, headers) for declared in everywhere} == {answer}


async def test_nobody_reaches_nothing_but_what_is_open(app, client):
    assert await differences(app, client, {}, "nobody") == []


async def test_a_person_does_not_pass_for_the_platform(app, client, two_clinics):
    found = {
        declared.name: await ask(client, declared, two_clinics.a.headers)
        for declared in declarations(app)
        if declared.access is Access.PLATFORM
    }
    assert set(found.values()) == {"no_platform"}
    assert set(found) == {f"{method} {path}" for method, path in PLATFORM}


async def test_who_reads_tokens_themselves_let_nobody_in(client):
    for _, path in TOKEN:
        answer = await client.post(path, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        assert answer.status_code == 401, path


async def test_what_a_role_may_is_not_the_same_for_all(app):
    """Else the matrix could not fail."""
    granted = {role: permissions_for(RoleGrants.standard(role), app.state.registry) for role in ROLES}
    asked = {permission for declared in declarations(app) for permission in declared.permissions}
    assert len({frozenset(name for name in asked if name in granted[role]) for role in ROLES}) > 1


async def test_no_exception_is_kept_for_a_route_that_is_gone(app):
    present = {(declared.method, declared.path) for declared in declarations(app)}
    assert {*OPEN, *PLATFORM, *TOKEN} - present == set()


def test_a_new_route_without_a_declaration_fails():
    router = APIRouter()

    @router.get("/backdoor")
    async def backdoor() -> None: ...

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(router, prefix="/api/v1")
    with pytest.raises(Undeclared, match=r"GET /api/v1/backdoor.*require_permission"):
        declarations(app)


def test_a_dependency_that_only_looks_like_authorisation_is_none():
    def whoever() -> None: ...

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.add_api_route("/things", whoever, dependencies=[Depends(whoever)])
    app.router.routes.append(Route("/raw", whoever))
    with pytest.raises(Undeclared, match="GET /raw, GET /things|ANY /raw, GET /things"):
        declarations(app)

"""Every route of the platform × every kind of account × {own tenant, another's, nobody}: the answer is the one the route declares.

The endpoints are replaced by one that says it was reached, so that nothing happens and every cell starts from the same state.
"""

from uuid import UUID

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from sqlalchemy import text

from control_plane.access.declarations import OPEN, Undeclared, declarations, routes
from control_plane.access.requires import Guards, Requires
from control_plane.access.scopes import ALL, ROLES, Kind, Role
from control_plane.main import create_app
from control_plane.operations.errors import UnknownOperation
from control_plane.tenants.errors import UnknownTenant

SOMETHING = UUID("00000000-0000-4000-8000-000000000001")
REFUSALS = {"not_authenticated", "scope_needed", "for_operators", "second_factor_missing", UnknownTenant.code, UnknownOperation.code}
NAMES_A_TENANT = ("{slug}", "{operation_id}")


def reached(**_: object):
    raise HTTPException(418)


@pytest.fixture
async def app(platform, people):
    """The application as it is served, with endpoints that do nothing."""
    app = create_app(platform)
    replaced = []
    for route in routes(app):
        dependant = getattr(route, "dependant", None)
        if dependant is not None:
            replaced.append((dependant, dependant.call))
            dependant.call = reached
    yield app
    for dependant, call in replaced:
        dependant.call = call


@pytest.fixture
async def ask(app, people, platform):
    """What a route answers: "let through", or the code of the refusal."""
    async with platform.database.transaction() as session:
        rows = await session.execute(text("SELECT slug, operation.id FROM operation JOIN tenant ON tenant.id = tenant_id"))
        found = {slug: str(operation) for slug, operation in rows}
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://platform.example") as browser:

        async def ask(declared, headers, slug):
            path = declared.path.replace("{slug}", slug).replace("{operation_id}", found[slug])
            while "{" in path:
                path = f"{path.partition('{')[0]}{SOMETHING}{path.partition('}')[2]}"
            answer = await browser.request(declared.method, path, headers=headers)
            code = answer.json().get("code") if "json" in answer.headers.get("content-type", "") else None
            return code if code in REFUSALS else "let through"

        yield ask


def expected(declared, kind, role, *, foreign):
    if declared.open:
        return "let through"
    if not ROLES[kind, role].issuperset(declared.scopes):
        return "scope_needed"
    if kind is Kind.OPERATOR:
        return "let through"
    if "{slug}" in declared.path:
        return "unknown_tenant" if foreign else "let through"
    if "{operation_id}" in declared.path:
        return "unknown_operation" if foreign else "let through"
    return "let through" if declared.own else "for_operators"


def asked(app):
    return [one for one in declarations(app) if (one.method, one.path) not in OPEN]


async def test_every_kind_of_account_reaches_what_is_declared_for_it_and_nothing_of_others(app, ask, people):
    different = [
        (declared.name, kind.value, role.value, slug, found, wanted)
        for declared in asked(app)
        for kind, role in ROLES
        for slug in ((people.own, people.foreign) if any(name in declared.path for name in NAMES_A_TENANT) else (people.own,))
        if (found := await ask(declared, people.headers[kind, role], slug))
        != (wanted := expected(declared, kind, role, foreign=slug == people.foreign))
    ]
    assert different == []


async def test_nobody_reaches_nothing_but_what_is_open(app, ask, people):
    nobody = [{}, {"Authorization": "Bearer dpk_made_up"}, {"Authorization": "Basic x"}, {"Cookie": "dentalpin_platform=x"}]
    found = {await ask(declared, headers, people.own) for declared in asked(app) for headers in nobody}
    assert found == {"not_authenticated"}


async def test_the_endpoints_are_replaced_and_authorised_callers_reach_them(app, people):
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://platform.example") as browser:
        answer = await browser.get("/v1/tenants/own", headers=people.headers[Kind.OPERATOR, Role.ADMIN])
    assert answer.status_code == 418


async def test_the_matrix_could_fail(app):
    """Not every role may do the same, and what is written is never held by somebody who only reads."""
    found = {who: frozenset(one.name for one in asked(app) if one.lets(*who)) for who in ROLES}
    assert len(set(found.values())) == len(ROLES)
    reading = next(scopes for (_, role), scopes in ROLES.items() if role.value == "read_only")
    assert all(scope.endswith(":read") for scope in reading)


async def test_no_exception_is_kept_for_a_route_that_is_gone(app):
    present = {(method, route.path) for route in routes(app) for method in (getattr(route, "methods", None) or {"ANY"})}
    assert set(OPEN) - present == set()


def test_a_new_route_without_a_declaration_fails():
    router = APIRouter()

    @router.get("/backdoor")
    async def backdoor() -> None: ...

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(router, prefix="/v1", dependencies=[Depends(reached)])
    with pytest.raises(Undeclared, match="GET /v1/backdoor"):
        declarations(app)


async def test_a_route_that_declares_nothing_is_for_administrators_only(platform, people):
    from control_plane.access.routing import PlatformRoute

    router = APIRouter(route_class=PlatformRoute)

    @router.get("/forgotten")
    async def forgotten() -> dict[str, bool]:
        return {"reached": True}

    app = create_app(platform)
    app.include_router(router)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://platform.example") as browser:
        answers = {who: (await browser.get("/forgotten", headers=headers)).status_code for who, headers in people.headers.items()}
    assert {who for who, status in answers.items() if status == 200} == {who for who, scopes in ROLES.items() if scopes >= ALL}


@pytest.mark.parametrize("wrong", [lambda: Requires("tenants:everything"), lambda: Guards("nowhere")])
def test_a_scope_nobody_can_hold_is_refused_where_it_is_declared(wrong):
    with pytest.raises(ValueError, match="scopes lists them"):
        wrong()

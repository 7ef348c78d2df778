"""`/api/v1/modules` as a clinic's administrator uses it on a stand-alone runtime."""

import json

import pytest
from pydantic import SecretStr

from app import database as boundary
from app.config import Settings
from app.core.plugins.router import router
from app.database import Database
from tests.support.app import SECRET, ShelfModule, build
from tests.support.packages import drop, table

MODULES = "/api/v1/modules"


@pytest.fixture
async def clinic(runtime, site):
    """Ana administers Sol, Bo assists there; `base` is installed, `stock` builds on it."""
    site.add("base").with_table("base_items", 'sa.Column("note", sa.String(9))')
    site.add("stock", depends=["base"]).revision(
        "stock_0001", table("stock_items", 'sa.Column("base", sa.Uuid, sa.ForeignKey("base_items.id"))'), downgrade=[drop("stock_items")]
    )
    await runtime.install("base")
    database = Database(runtime.database.app_url)
    boundary.install(database)
    app = build(runtime.database, database, [ShelfModule()], routers=(router,), settings=Settings(secret_key=SecretStr(SECRET)))
    sol = await app.add_clinic("Sol")
    await app.add_user(admin=sol)
    await app.add_user("bo@example.com", assistant=sol)
    yield app
    boundary.install(None)
    await database.dispose()


@pytest.fixture
async def client(clinic):
    async with await clinic.signed_in() as client:
        yield client


async def test_modules_are_listed_with_state_and_dependencies(client):
    modules = {module["name"]: module for module in (await client.get(MODULES)).json()["data"]}

    assert modules["base"]["state"] == "installed"
    assert (modules["stock"]["state"], modules["stock"]["depends"]) == ("uninstalled", ["base"])


async def test_installing_schedules_and_says_that_a_restart_is_required(client, runtime):
    answer = await client.post(f"{MODULES}/stock/install")

    assert answer.status_code == 202, answer.text
    assert answer.json()["data"] == {"operation": "install", "modules": ["stock"], "requires_restart": True}
    assert "Restart required" in answer.json()["message"]
    assert (await client.get(f"{MODULES}/-/status")).json()["data"]["requires_restart"]
    assert (await runtime.boot()).ok
    assert (await runtime.states())["stock"] == "installed"
    operations = (await client.get(f"{MODULES}/stock/operations")).json()["data"]
    assert (operations[0]["step"], operations[0]["status"]) == ("finalize", "completed")


async def test_what_others_need_is_not_uninstalled_and_they_are_named(client, runtime):
    await client.post(f"{MODULES}/stock/install")
    await runtime.boot()

    answer = await client.post(f"{MODULES}/base/uninstall")

    assert answer.status_code == 409
    assert answer.json()["errors"] == [{"code": "module_needed", "module": "base", "dependents": ["stock"]}]
    assert "stock" in answer.json()["message"]
    assert (await client.get(f"{MODULES}/base")).json()["data"]["state"] == "installed"


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("hen", "module_dependency_cycle", "egg → hen → egg"),
        ("odd", "manifest_invalid", "no X.Y.Z version"),
        ("orphan", "module_dependency_missing", "nowhere"),
        ("future", "module_not_installable", "needs core 99.0.0"),
    ],
)
async def test_what_cannot_be_installed_is_refused_by_name_and_schedules_nothing(client, runtime, site, name, code, says):
    site.add("egg", depends=["hen"])
    site.add("hen", depends=["egg"])
    site.add("odd", version="one")
    site.add("orphan", depends=["nowhere"])
    site.add("future", min_core_version="99.0.0")

    answer = await client.post(f"{MODULES}/{name}/install")

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["code"] == code
    assert answer.json()["errors"][0]["module" if code != "module_dependency_cycle" else "modules"]
    assert says in answer.json()["message"]
    assert not [state for state in (await runtime.states()).values() if state.startswith("to_")]


async def test_an_unknown_module_is_not_found(client):
    assert (await client.post(f"{MODULES}/nowhere/install")).status_code == 404
    assert (await client.get(f"{MODULES}/nowhere")).status_code == 404


async def test_rows_that_another_clinic_uses_stop_an_uninstall(clinic, client, runtime):
    await runtime.sql.execute("CREATE TABLE guest (clinic_id uuid, base uuid REFERENCES base_items (id))")
    await runtime.sql.execute("GRANT SELECT ON guest TO tenant_app")

    answer = await client.post(f"{MODULES}/base/uninstall")

    assert answer.status_code == 409
    assert "guest" in answer.json()["message"]
    assert (await runtime.states())["base"] == "installed"


async def test_only_those_who_may_change_modules(clinic):
    async with await clinic.signed_in("bo@example.com") as bo:
        assert (await bo.post(f"{MODULES}/stock/install")).status_code == 403
        assert (await bo.get(MODULES)).status_code == 403
        active = (await bo.get(f"{MODULES}/-/active")).json()["data"]
    assert [module["name"] for module in active["modules"]] == ["shelf"]
    assert [entry["to"] for entry in active["navigation"]] == ["/shelf"]


async def test_a_managed_runtime_answers_with_the_platforms_address(client, runtime):
    document = {"modules": [], "compliance": {"obligations": []}, "platform": {"url": "https://platform.example"}}
    await runtime.sql.execute(
        "INSERT INTO core_revision (generation, identity, effect, document) VALUES (1, 'a', 'b', $1)", json.dumps(document)
    )

    for change in ("install", "uninstall", "upgrade"):
        answer = await client.post(f"{MODULES}/base/{change}")
        assert answer.status_code == 409
        assert "https://platform.example" in answer.json()["message"]


async def test_a_restart_is_impossible_where_nothing_supervises(client):
    assert (await client.post(f"{MODULES}/-/restart")).status_code == 409

"""`/api/v1/modules` as a clinic's administrator uses it on a stand-alone runtime."""

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from app import database as boundary
from app.config import Settings
from app.core.isolation import apply_policies
from app.core.plugins.retrying import Limits
from app.core.plugins.router import router
from app.core.runtime import process
from app.core.runtime.process import ServingProcess
from app.database import Database
from tests.support.app import NOTE_TABLE, SECRET, ShelfModule, build
from tests.support.core import as_owner
from tests.support.packages import drop, table
from tests.support.postgres import run_sql

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
    data = answer.json()["data"]
    assert (data["operation"], data["modules"], data["requires_restart"]) == ("install", ["stock"], True)
    assert [step["revisions"] for step in data["plan"]["steps"]] == [["stock_0001"]]
    assert "The next restart will install stock." in answer.json()["message"]
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


async def test_references_of_all_clinics_are_counted_as_one(clinic, client, runtime, site):
    luna = await clinic.add_clinic("Luna")
    await runtime.install("stock")
    await runtime.sql.execute("INSERT INTO base_items (clinic_id) SELECT id FROM clinics")
    await runtime.sql.execute("INSERT INTO stock_items (clinic_id, base) SELECT clinic_id, id FROM base_items")
    assert luna

    plan = (await client.get(f"{MODULES}/base/plan", params={"operation": "uninstall"})).json()["data"]

    referenced = next(each for each in plan["refusals"] if each["code"] == "module_rows_referenced")
    assert "in use: 2 rows of stock_items (stock) point at base_items by base. " in referenced["message"]


async def test_rows_that_another_clinic_uses_stop_an_uninstall(clinic, client, runtime):
    await runtime.sql.execute("CREATE TABLE guest (clinic_id uuid, base uuid REFERENCES base_items (id))")
    await runtime.sql.execute("GRANT SELECT ON guest TO tenant_app")

    answer = await client.post(f"{MODULES}/base/uninstall")

    assert answer.status_code == 409
    assert "guest" in answer.json()["message"]
    assert (await runtime.states())["base"] == "installed"


async def test_a_plan_says_what_would_go_over_all_clinics_and_changes_nothing(clinic, client, runtime):
    luna = await clinic.add_clinic("Luna")
    await runtime.sql.execute("INSERT INTO base_items (clinic_id, note) SELECT id, name FROM clinics")
    before = await runtime.snapshot()

    plan = (await client.get(f"{MODULES}/base/plan", params={"operation": "uninstall"})).json()["data"]

    assert plan["possible"]
    assert plan["requires_restart"]
    assert [(step["change"], step["tables"], step["revisions"]) for step in plan["steps"]] == [
        ("uninstall", {"base_items": 2}, ["base_0001"])
    ]
    assert plan["steps"][0]["steps"] == ["backup", "lifecycle", "delete_data", "migrate_down", "finalize"]
    assert await runtime.snapshot() == before
    assert luna


async def test_a_plan_of_what_cannot_be_done_says_everything_that_stands_against_it(client, runtime, site):
    await runtime.install("stock")
    await runtime.sql.execute("UPDATE core_module SET removable = false WHERE name = 'base'")

    plan = (await client.get(f"{MODULES}/base/plan", params={"operation": "uninstall"})).json()["data"]

    assert not plan["possible"]
    assert [refusal["code"] for refusal in plan["refusals"]] == ["module_needed", "module_not_removable", "module_rows_referenced"]


async def test_a_dependency_that_nobody_needs_any_more_is_proposed_and_goes_if_asked(client, runtime, site):
    site.add("leaf", depends=["twig"]).with_table("leaves")
    site.add("twig").with_table("twigs")
    await runtime.boot()
    await client.post(f"{MODULES}/leaf/install")
    await runtime.boot()

    proposed = (await client.get(f"{MODULES}/leaf/plan", params={"operation": "uninstall"})).json()["data"]
    answer = await client.post(f"{MODULES}/leaf/uninstall", json={"with_unneeded": True})

    assert proposed["unneeded"] == ["twig"]
    assert answer.json()["data"]["modules"] == ["leaf", "twig"]
    await runtime.boot(removals=True)
    assert {name: state for name, state in (await runtime.states()).items() if name in {"leaf", "twig"}} == {
        "leaf": "uninstalled",
        "twig": "uninstalled",
    }


async def test_what_somebody_chose_is_not_proposed_for_removal(client, runtime, site):
    site.add("leaf", depends=["base"]).with_table("leaves")
    await runtime.install("leaf")
    await client.post(f"{MODULES}/base/install")

    plan = (await client.get(f"{MODULES}/leaf/plan", params={"operation": "uninstall"})).json()["data"]

    assert plan["unneeded"] == []


@pytest.fixture
async def shelf(runtime):
    """The mounted module is in the books as well."""
    run_sql(runtime.database.owner_url, NOTE_TABLE)
    as_owner(runtime.database, lambda connection: apply_policies(connection, ["shelf_notes"]))
    await runtime.sql.execute(
        "INSERT INTO core_module (name, version, state, manifest_snapshot, installed_at) VALUES ('shelf', '0.1.0', 'installed', $1, now())",
        json.dumps({**ShelfModule.manifest, "fulfils": ["xx-law"]}),
    )


async def test_a_module_is_switched_off_and_on_without_a_restart(client, clinic, shelf, runtime):
    version = clinic.app.state.registry.version

    off = await client.post(f"{MODULES}/shelf/disable", json={"reason": "nobody uses it"})

    assert (off.status_code, off.json()["data"]["requires_restart"]) == (200, False)
    assert "At once: shelf is switched off." in off.json()["message"]
    refused = await client.get("/api/v1/shelf/notes")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (409, "module_disabled")
    active = (await client.get(f"{MODULES}/-/active")).json()["data"]
    assert (active["modules"], active["navigation"]) == ([], [])
    assert not [permission for permission in active["permissions"] if permission.startswith("shelf.")]
    assert (await runtime.states())["shelf"] == "disabled"
    assert clinic.app.state.registry.version > version

    await client.post(f"{MODULES}/shelf/enable")

    assert (await client.get("/api/v1/shelf/notes")).status_code == 200
    assert (await runtime.states())["shelf"] == "installed"
    requests = (await client.get(f"{MODULES}/-/requests")).json()["data"]
    assert [(each["operation"], each["modules"], each["reason"]) for each in requests] == [
        ("enable", ["shelf"], ""),
        ("disable", ["shelf"], "nobody uses it"),
    ]
    assert all(each["user_id"] for each in requests)


async def test_a_module_that_others_need_is_not_switched_off(client, runtime):
    await runtime.install("stock")

    answer = await client.post(f"{MODULES}/base/disable")

    assert (answer.status_code, answer.json()["errors"][0]["dependents"]) == (409, ["stock"])
    assert (await client.post(f"{MODULES}/stock/disable")).status_code == 200
    assert (await client.post(f"{MODULES}/base/disable")).status_code == 200
    on = await client.post(f"{MODULES}/stock/enable")
    assert on.json()["data"]["modules"] == ["base", "stock"]


async def test_what_law_requires_is_not_switched_off(client, runtime, shelf):
    document = {"modules": [], "compliance": {"obligations": [{"id": "xx-law", "status": "required"}]}, "platform": {}}
    await runtime.sql.execute(
        "INSERT INTO core_revision (generation, identity, effect, document) VALUES (1, 'a', 'b', $1)", json.dumps(document)
    )

    answer = await client.post(f"{MODULES}/shelf/disable")

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (409, "module_required_by_law")


async def test_a_module_that_is_switched_off_stays_so_over_an_upgrade(client, runtime, site):
    await client.post(f"{MODULES}/base/disable")
    site.add("base", version="1.1.0").with_table("base_items", 'sa.Column("note", sa.String(9))')

    assert (await runtime.boot()).ok

    shown = (await client.get(f"{MODULES}/base")).json()["data"]
    assert (shown["state"], shown["version"]) == ("disabled", "1.1.0")


async def test_one_clinics_administrator_does_not_change_what_other_clinics_use(clinic, client, runtime):
    luna = await clinic.add_clinic("Luna")

    for change in ("stock/install", "base/uninstall", "base/disable", "base/retry", "-/restart"):
        answer = await client.post(f"{MODULES}/{change}")
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, "permission_needed_in_every_clinic"), change
    await runtime.sql.execute("UPDATE users SET is_owner = true WHERE email = 'ana@example.com'")
    assert (await client.post(f"{MODULES}/base/disable")).status_code == 200
    await runtime.sql.execute("UPDATE users SET is_owner = false")
    await clinic.add_member(await runtime.sql.fetchval("SELECT id FROM users WHERE email = 'ana@example.com'"), luna, "admin")
    assert (await client.post(f"{MODULES}/base/enable", headers={"X-Clinic-Id": str(luna)})).status_code == 200


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


@pytest.fixture
def serving():
    """This process as one that serves; what it is asked for."""
    asked = []
    process.install(ServingProcess(None, None, frozenset({"shelf"}), None, None, asked.append))
    yield asked
    process.install(None)


async def test_a_restart_is_asked_for_with_its_reason_once_that_is_kept(client, serving):
    answer = await client.post(f"{MODULES}/-/restart", json={"reason": "new packages"})

    assert (answer.status_code, answer.json()["data"]) == (202, {"restarting": True})
    assert [reason.endswith(": new packages") for reason in serving] == [True]
    assert (await client.get(f"{MODULES}/-/requests")).json()["data"][0]["reason"] == "new packages"


async def test_where_the_platform_replaces_processes_a_restart_is_refused_with_its_address(clinic, client, runtime, serving):
    document = {"modules": [], "compliance": {"obligations": []}, "platform": {"url": "https://platform.example"}}
    await runtime.sql.execute(
        "INSERT INTO core_revision (generation, identity, effect, document) VALUES (1, 'a', 'b', $1)", json.dumps(document)
    )
    clinic.app.state.settings = clinic.app.state.settings.model_copy(update={"revision_file": Path("revision.json")})

    answer = await client.post(f"{MODULES}/-/restart")

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (409, "managed_by_platform")
    assert "https://platform.example" in answer.json()["message"]
    assert serving == []
    # Under a supervisor of this machine the same is its business.
    clinic.app.state.settings = clinic.app.state.settings.model_copy(update={"status_fd": 3})
    assert (await client.post(f"{MODULES}/-/restart")).status_code == 202


async def test_the_doctor_answers_a_clinics_administrator(client, runtime):
    sound = (await client.get(f"{MODULES}/-/doctor")).json()["data"]
    await runtime.sql.execute("CREATE TABLE stray (id int)")

    ill = (await client.get(f"{MODULES}/-/doctor")).json()["data"]

    assert sound == {"ok": True, "findings": []}
    assert (ill["ok"], [finding["code"] for finding in ill["findings"]]) == (True, ["TABLE_WITHOUT_OWNER"])


async def test_what_rests_is_tried_again_when_somebody_says_so(client, runtime, site):
    site.add("bad").revision("bad_0001", 'raise RuntimeError("no")')
    await runtime.boot()
    await client.post(f"{MODULES}/bad/install")
    runtime.limits = Limits(attempts=1)
    await runtime.boot()
    assert "rests after 1 failed attempts" in (await runtime.boot()).modules[0].reason

    answer = await client.post(f"{MODULES}/bad/retry")

    assert (answer.status_code, answer.json()["data"]["modules"]) == (202, ["bad"])
    shown = (await client.get(f"{MODULES}/bad")).json()["data"]
    assert (shown["attempts"], shown["next_attempt_at"]) == (0, None)
    again = await client.post(f"{MODULES}/base/retry")
    assert (again.status_code, again.json()["errors"][0]["code"]) == (409, "module_not_failed")


async def test_a_restart_is_impossible_where_nothing_supervises(client):
    assert (await client.post(f"{MODULES}/-/restart")).status_code == 409

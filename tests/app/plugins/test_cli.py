"""`dentalpin modules …` at the door: what is printed, and with which exit status."""

import json

import pytest
from typer.testing import CliRunner

from app.cli.modules import app
from app.config import get_settings
from app.core.plugins import loader
from tests.support.packages import drop, table
from tests.support.postgres import fetch_value, in_fresh_loop, run_sql


@pytest.fixture
def modules(runtime, site, monkeypatch):
    """Runs one command over the test's packages and database."""
    monkeypatch.setenv("OWNER_DATABASE_URL", runtime.database.owner_url)
    monkeypatch.setenv("DENTALPIN_STORAGE", str(runtime.storage))
    monkeypatch.setenv("PG_BINDIR", str(runtime.database.bindir))
    get_settings.cache_clear()
    everything = loader.discover_modules

    def discover(path=None):
        return everything([str(place) for place in site._sites]) if path is None else everything(path)

    for module in ("app.cli.modules", "app.core.plugins.processor", "app.core.plugins.loader"):
        monkeypatch.setattr(f"{module}.discover_modules", discover)

    def run(*arguments):
        outcome = []

        async def call():
            import asyncio

            outcome.append(await asyncio.to_thread(CliRunner().invoke, app, list(arguments)))

        in_fresh_loop(call)
        return outcome[0]

    yield run
    get_settings.cache_clear()


@pytest.fixture
def packages(site):
    site.add("base").with_table("base_items")
    site.add("stock", depends=["base"]).revision(
        "stock_0001", table("stock_items", 'sa.Column("base", sa.Uuid, sa.ForeignKey("base_items.id"))'), downgrade=[drop("stock_items")]
    )


def test_a_module_is_installed_with_its_chain_and_removed_again(modules, packages):
    assert modules("process").exit_code == 0
    assert "uninstalled" in modules("list").output

    scheduled = modules("install", "stock")
    assert scheduled.exit_code == 0
    assert "install scheduled: base, stock" in scheduled.output
    assert "Restart required" in scheduled.output
    assert "stock is to_install" in modules("status").output
    assert modules("process").exit_code == 0
    assert json.loads(modules("info", "stock", "--json").stdout)["data"]["state"] == "installed"

    refused = modules("uninstall", "base")
    assert refused.exit_code == 1
    assert "base is needed by stock" in refused.stderr
    assert modules("uninstall", "stock").exit_code == 0
    assert modules("process", "--removals").exit_code == 0
    assert json.loads(modules("info", "stock", "--json").stdout)["data"]["state"] == "uninstalled"


def test_an_unknown_module_is_named_with_those_that_are_known(modules, packages):
    modules("process")

    answer = modules("install", "nowhere", "--json")

    assert answer.exit_code == 4
    document = json.loads(answer.stdout)
    assert document["errors"] == [{"code": "module_unknown"}]
    assert "base, stock" in document["message"]


def test_a_plan_is_shown_and_nothing_is_scheduled(modules, packages):
    modules("process")

    answer = modules("install", "stock", "--plan")

    assert answer.exit_code == 0, answer.output
    assert "install base at the next restart (stock needs it)" in answer.output
    assert "revisions:        stock_0001" in answer.output
    assert "Nothing is pending" in modules("status").output
    refused = modules("uninstall", "base", "--plan", "--json")
    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["data"]["refusals"][0]["code"] == "module_not_installed"


def test_a_module_is_switched_off_and_on(modules, packages):
    modules("process")
    modules("install", "stock")
    modules("process")

    assert modules("disable", "base").exit_code == 1
    off = modules("disable", "stock")
    assert (off.exit_code, "Restart" in off.output) == (0, False)
    assert json.loads(modules("info", "stock", "--json").stdout)["data"]["state"] == "disabled"
    assert modules("process").exit_code == 0
    assert modules("enable", "stock").exit_code == 0
    assert json.loads(modules("info", "stock", "--json").stdout)["data"]["state"] == "installed"


def test_an_install_is_withdrawn_before_it_happened(modules, packages):
    modules("process")
    modules("install", "base")

    assert modules("uninstall", "base").exit_code == 0
    assert "Nothing is pending" in modules("status").output


def test_a_module_that_is_not_as_asked_shows_in_the_exit_status(modules, site):
    site.add("bad").revision("bad_0001", 'raise RuntimeError("no disk")')
    modules("process")
    modules("install", "bad")

    answer = modules("process")

    assert answer.exit_code == 3
    assert "no disk" in answer.output
    assert modules("status").exit_code == 3
    assert modules("doctor").exit_code == 1


def test_modules_that_need_each_other_are_refused_with_the_circle(modules, site):
    site.add("egg", depends=["hen"])
    site.add("hen", depends=["egg"])
    modules("process")

    answer = modules("install", "hen", "--json")

    assert answer.exit_code == 1
    assert json.loads(answer.stdout)["errors"] == [{"code": "module_dependency_cycle"}]
    assert "egg → hen → egg" in json.loads(answer.stdout)["message"]
    assert "Nothing is pending" in modules("status").output


def test_a_manifest_that_says_nothing_usable_is_refused_and_listed_with_what_is_wrong(modules, packages, site):
    site.add("odd", version="one")
    modules("process")

    answer = modules("install", "odd")

    assert answer.exit_code == 1
    assert "'odd'" in answer.stderr
    assert "no X.Y.Z version" in answer.stderr
    assert "no X.Y.Z version" in modules("list").output
    assert "Nothing is pending" in modules("status").output


def test_a_malformed_seed_keeps_the_module_out_and_names_file_and_line(modules, packages, site):
    site.add("colours", data_files=["data/seeds.yaml"]).with_table("colours").seeds("- xml_id: [")
    modules("process")
    modules("install", "colours")
    modules("install", "base")

    assert modules("process").exit_code == 3

    shown = json.loads(modules("info", "colours", "--json").stdout)["data"]
    assert shown["state"] == "to_install"
    assert "data/seeds.yaml" in shown["error"]
    assert "line" in shown["error"]
    assert json.loads(modules("info", "base", "--json").stdout)["data"]["state"] == "installed"


def test_doctor_has_no_issue_with_a_sound_module(modules, packages):
    modules("process")
    modules("install", "stock")
    modules("process")

    answer = modules("doctor")

    assert (answer.exit_code, answer.output.strip()) == (0, "No issues.")


def test_upgrading_what_is_up_to_date_is_refused(modules, packages):
    modules("process")
    modules("install", "base")
    modules("process")

    assert modules("upgrade", "base").exit_code == 1


def test_rows_come_back_from_the_backup(modules, packages, runtime):
    import asyncpg

    async def sql(query):
        connection = await asyncpg.connect(runtime.database.owner_url)
        rows = await connection.fetch(query)
        await connection.close()
        return [tuple(row) for row in rows]

    def query(text):
        found = []

        async def fetch():
            found.append(await sql(text))

        in_fresh_loop(fetch)
        return found[0]

    modules("process")
    modules("install", "stock")
    modules("process")
    query("INSERT INTO clinics (name, country, timezone, currency, locale) VALUES ('Sol', 'ES', 'Europe/Madrid', 'EUR', 'es-ES')")
    query("INSERT INTO stock_items (clinic_id) SELECT id FROM clinics")
    before = query("SELECT * FROM stock_items")
    modules("uninstall", "stock")
    assert modules("process", "--removals").exit_code == 0

    answer = modules("restore", "stock")

    assert answer.exit_code == 0, answer.output
    assert query("SELECT * FROM stock_items") == before
    assert query("SELECT state, version FROM core_module WHERE name = 'stock'") == [("installed", "1.0.0")]


def test_a_managed_runtime_refuses_with_the_platforms_address(modules, packages, runtime):
    modules("process")

    async def adopt():
        import asyncpg

        connection = await asyncpg.connect(runtime.database.owner_url)
        document = {"modules": [], "compliance": {"obligations": []}, "platform": {"url": "https://platform.example"}}
        await connection.execute(
            "INSERT INTO core_revision (generation, identity, effect, document) VALUES (1, 'a', 'b', $1)", json.dumps(document)
        )
        await connection.close()

    in_fresh_loop(adopt)

    for command in ("install", "uninstall", "upgrade"):
        answer = modules(command, "base")
        assert answer.exit_code == 1
        assert "https://platform.example" in answer.stderr


def test_the_frontends_layers_are_written_once(modules, site, tmp_path):
    site.add("stock", frontend={"layer_path": "frontend"}).file("frontend/nuxt.config.ts", "")
    site.add("plain")
    site.add("lost", frontend={"layer_path": "nowhere"})
    output = tmp_path / "host" / "modules.json"

    assert "is written: 1 layers" in modules("sync-frontend", "--output", str(output)).output
    assert "is up to date" in modules("sync-frontend", "--output", str(output)).output
    folder = str(site.folder / "stock" / "dp_stock" / "frontend")
    assert json.loads(output.read_text()) == {"version": 1, "layers": [folder], "modules": [{"name": "stock", "path": folder}]}


def test_old_backups_go_only_when_an_age_is_said(modules, packages, runtime):
    modules("process")
    modules("install", "base")
    modules("process")
    modules("uninstall", "base")
    modules("process", "--removals")

    assert "every backup is kept" in modules("prune-backups").output
    assert "Nothing is old enough" in modules("prune-backups", "--days", "1", "--keep", "0").output
    assert "would delete base-" in modules("prune-backups", "--days", "0", "--keep", "0", "--dry-run").output
    assert len(json.loads(modules("restore", "base", "--list", "--json").stdout)["data"]) == 1
    assert "deleted base-" in modules("prune-backups", "--days", "0", "--keep", "0").output
    assert json.loads(modules("restore", "base", "--list", "--json").stdout)["data"] == []


def test_a_restart_is_kept_with_its_reason_where_nothing_serves(modules, packages, runtime):
    modules("process")

    answer = modules("restart", "--reason", "new packages")

    assert answer.exit_code == 0
    assert "Nothing serves at the moment" in answer.output
    assert fetch_value(runtime.database.owner_url, "SELECT operation || ' ' || via || ' ' || reason FROM core_module_request") == (
        "restart cli new packages"
    )


def test_in_a_pod_of_the_platform_a_restart_is_refused_with_its_address(modules, packages, runtime, monkeypatch, tmp_path):
    modules("process")
    platform = json.dumps({"modules": [], "compliance": {"obligations": []}, "platform": {"url": "https://platform.example"}})
    run_sql(
        runtime.database.owner_url,
        f"INSERT INTO core_revision (generation, identity, effect, document) VALUES (1, 'a', 'b', '{platform}')",
    )
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("DENTALPIN_REVISION_FILE", str(tmp_path / "revision.json"))
    get_settings.cache_clear()

    answer = modules("restart")

    assert answer.exit_code == 1
    assert "https://platform.example" in answer.stderr


def test_what_rests_is_tried_again_by_name(modules, site, monkeypatch):
    site.add("bad").revision("bad_0001", 'raise RuntimeError("no disk")')
    modules("process")
    modules("install", "bad")
    monkeypatch.setenv("DENTALPIN_MODULE_ATTEMPTS", "1")
    get_settings.cache_clear()
    modules("process")
    assert "rests after 1 failed attempts" in modules("process").output

    assert "Tried again at the next start: bad" in modules("retry", "bad").output
    assert "rests" not in modules("process").output
    assert modules("retry", "nowhere").exit_code == 4

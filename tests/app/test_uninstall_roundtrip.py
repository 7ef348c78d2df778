"""What comes with a module goes with it, and nothing else does (seeds, guide §9; ADR 0002)."""

from tests.app.plugins.conftest import make_runtime, runtime, site
from tests.support.packages import drop, table

__all__ = ["make_runtime", "runtime", "site"]
STOCK_SEEDS = """
- xml_id: stock.default
  table: stock_categories
  values: {name: "Consumables"}
- xml_id: stock.hint
  table: base_notes
  values: {text: "Count monthly"}
"""


async def prepared(runtime, site):
    """`base` installed with rows of its own, two clinics; `stock` builds on it and is known, not installed."""
    await runtime.add_clinic("Sol")
    await runtime.add_clinic("Luna")
    site.add("base").with_table("base_notes", 'sa.Column("text", sa.String(50))')
    stock = site.add("stock", depends=["base"], data_files=["data/seeds.yaml"])
    stock.with_table("stock_categories", 'sa.Column("name", sa.String(50))')
    stock.revision("stock_0002", table("stock_items"), down="stock_0001", downgrade=[drop("stock_items")])
    stock.seeds(STOCK_SEEDS)
    await runtime.install("base")
    await runtime.sql.execute("INSERT INTO base_notes (clinic_id, text) SELECT id, 'own' FROM clinics")


async def test_tables_rows_revisions_and_seeds_come_and_go_and_nothing_else_changes(runtime, site):
    await prepared(runtime, site)
    before = await runtime.snapshot()

    assert (await runtime.install("stock")).ok
    assert {"stock_categories", "stock_items"} <= await runtime.tables()
    assert await runtime.sql.fetchval("SELECT count(*) FROM core_external_id") == 4
    assert (await runtime.uninstall("stock")).ok

    assert await runtime.snapshot() == before
    assert (await runtime.states())["stock"] == "uninstalled"


async def test_gone_stays_gone_over_restarts(runtime, site):
    await prepared(runtime, site)
    await runtime.install("stock")
    await runtime.uninstall("stock")

    assert (await runtime.boot()).ok
    assert "stock_items" not in await runtime.tables()


async def test_installing_again_does_not_double_the_seeds(runtime, site):
    await prepared(runtime, site)
    await runtime.install("stock")
    await runtime.uninstall("stock")

    await runtime.install("stock")

    assert await runtime.sql.fetchval("SELECT count(*) FROM stock_categories") == 2
    assert await runtime.sql.fetchval("SELECT count(*) FROM base_notes WHERE text = 'Count monthly'") == 2


async def test_the_backup_is_there_and_not_empty(runtime, site):
    await prepared(runtime, site)
    await runtime.install("stock")

    await runtime.uninstall("stock")

    dumps = list((runtime.storage / "backups").glob("stock-*.dump"))
    assert len(dumps) == 1
    assert dumps[0].stat().st_size > 0


async def test_every_step_of_a_removal_is_logged_in_order(runtime, site):
    await prepared(runtime, site)
    await runtime.install("stock")
    await runtime.uninstall("stock")

    steps = ["backup", "lifecycle", "delete_data", "migrate_down", "finalize"]
    logged = [entry for entry in await runtime.trail("stock") if entry[0] == "uninstall"]
    assert logged == [("uninstall", step, status) for step in steps for status in ("started", "completed")]


async def test_removals_run_in_reverse_order(runtime, site):
    await prepared(runtime, site)
    await runtime.install("stock")
    await runtime.ask("base", "to_remove")
    await runtime.sql.execute("DELETE FROM base_notes WHERE text = 'own'")

    await runtime.uninstall("stock")

    begun = await runtime.sql.fetch(
        "SELECT module_name FROM core_module_operation_log"
        " WHERE operation = 'uninstall' AND step = 'backup' AND status = 'started' ORDER BY id"
    )
    assert [row["module_name"] for row in begun] == ["stock", "base"]
    assert await runtime.states() == {"base": "uninstalled", "stock": "uninstalled"}


async def test_a_module_from_a_package_takes_down_its_own_revisions_only(runtime, site):
    await prepared(runtime, site)
    await runtime.install("stock")

    await runtime.uninstall("stock")

    assert await runtime.heads() == {"base_0001"}
    assert {"base_notes", "clinics", "users"} <= await runtime.tables()


async def test_a_downgrade_that_forgets_a_table_leaves_nothing_behind(runtime, site):
    site.add("sloppy").revision("sloppy_0001", table("sloppy_items"), downgrade=[])
    await runtime.install("sloppy")

    assert (await runtime.uninstall("sloppy")).ok
    assert "sloppy_items" not in await runtime.tables()


async def test_rows_still_referenced_stop_a_removal_before_anything_happens(runtime, site):
    await prepared(runtime, site)
    site.add("user", depends=["base"]).revision(
        "user_0001", table("user_notes", 'sa.Column("note", sa.Uuid, sa.ForeignKey("base_notes.id"))'), downgrade=[drop("user_notes")]
    )
    await runtime.install("stock", "user")
    await runtime.sql.execute(
        "INSERT INTO user_notes (clinic_id, note) SELECT clinic_id, id FROM base_notes WHERE text = 'Count monthly' LIMIT 1"
    )
    before = await runtime.snapshot()

    report = await runtime.uninstall("stock")

    refused = next(module for module in report.modules if module.name == "stock")
    assert refused.outcome == "refused"
    assert "1 rows of user_notes (user)" in refused.reason
    assert (await runtime.states())["stock"] == "installed"
    assert await runtime.snapshot() == before


async def test_open_deliveries_are_closed_with_a_reason(runtime, site):
    await prepared(runtime, site)
    await runtime.install("stock")
    event = await runtime.sql.fetchval("INSERT INTO core_event (name, entity, payload) VALUES ('a.b', 'a:1', '{}') RETURNING id")
    await runtime.sql.execute(
        "INSERT INTO core_event_delivery (event_id, module_name, handler, entity) VALUES ($1, 'stock', 'h', 'a:1')", event
    )

    await runtime.uninstall("stock")

    row = await runtime.sql.fetchrow("SELECT status, last_error FROM core_event_delivery")
    assert tuple(row) == ("closed", "stock was uninstalled")


async def test_a_module_somebody_serves_is_not_removed(runtime, site):
    import asyncpg

    from dentalpin_kit.locks import serving

    await prepared(runtime, site)
    await runtime.install("stock")
    server = await asyncpg.connect(runtime.database.app_url)
    await server.execute("SELECT pg_advisory_lock_shared($1, $2)", *serving("stock"))

    report = await runtime.uninstall("stock")

    assert report.removals_pending
    assert "stock_items" in await runtime.tables()
    await server.close()
    assert (await runtime.boot(removals=True)).ok
    assert "stock_items" not in await runtime.tables()

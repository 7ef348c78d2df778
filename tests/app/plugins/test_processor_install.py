"""Installing: one transaction per module, in the order of the dependencies, errors where they belong."""

import asyncpg
import pytest

from app.core.plugins.retrying import Limits
from tests.support.packages import drop, table

STEPS = ["migrate", "seed", "lifecycle", "finalize"]


async def test_core_migrations_run_by_the_same_machinery_and_only_once(runtime):
    assert "core_module" in await runtime.tables()
    assert await runtime.heads() == set()

    assert await runtime.processor().migrate_core() == ()


async def test_a_discovered_module_is_listed_as_uninstalled_and_nothing_else_happens(runtime, site):
    site.add("stock").with_table("stock_items")

    report = await runtime.boot()

    assert report.ok
    assert await runtime.states() == {"stock": "uninstalled"}
    assert "stock_items" not in await runtime.tables()


async def test_install_runs_every_step_once_and_logs_it(runtime, site):
    site.add("stock").with_table("stock_items")

    report = await runtime.install("stock")

    assert report.ok
    assert await runtime.states() == {"stock": "installed"}
    assert "stock_items" in await runtime.tables()
    assert await runtime.trail("stock") == [("install", step, status) for step in STEPS for status in ("started", "completed")]
    row = await runtime.sql.fetchrow("SELECT version, applied_revision, base_revision, attempts, error_message FROM core_module")
    assert tuple(row) == ("1.0.0", "stock_0001", "stock_0001", 0, None)
    owner = await runtime.sql.fetchrow("SELECT table_name, module_name, revision FROM core_table_owner")
    assert tuple(owner) == ("stock_items", "stock", "stock_0001")


async def test_a_module_without_tables_needs_no_branch(runtime, site):
    site.add("reports")

    assert (await runtime.install("reports")).ok
    assert await runtime.heads() == set()
    assert (await runtime.uninstall("reports")).ok
    assert await runtime.states() == {"reports": "uninstalled"}


async def test_dependencies_come_first(runtime, site):
    site.add("aaa", depends=["bbb"]).revision(
        "aaa_0001", table("aaa", 'sa.Column("b", sa.Uuid, sa.ForeignKey("bbb.id"))'), downgrade=[drop("aaa")], depends=("bbb@head",)
    )
    site.add("bbb").with_table("bbb")

    report = await runtime.install("aaa", "bbb")

    assert [module.name for module in report.modules] == ["bbb", "aaa"]
    assert await runtime.states() == {"aaa": "installed", "bbb": "installed"}


async def test_a_failed_module_leaves_nothing_and_the_others_go_on(runtime, site):
    site.add("good").with_table("good")
    site.add("bad").revision("bad_0001", table("bad"), 'raise RuntimeError("the disk is purple")')

    report = await runtime.install("good", "bad")

    assert not report.ok
    assert await runtime.states() == {"good": "installed", "bad": "to_install"}
    assert "bad" not in await runtime.tables()
    assert await runtime.heads() == {"good_0001"}
    assert "the disk is purple" in await runtime.error("bad")
    assert (await runtime.trail("bad"))[-1] == ("install", "migrate", "failed")


async def test_dependents_of_a_failed_module_are_skipped_with_that_reason(runtime, site):
    site.add("base").revision("base_0001", 'raise RuntimeError("the disk is purple")')
    site.add("middle", depends=["base"]).with_table("middle")
    site.add("top", depends=["middle"])

    report = await runtime.install("base", "middle", "top")

    assert [module.outcome for module in report.modules] == ["failed", "skipped", "skipped"]
    assert await runtime.states() == {"base": "to_install", "middle": "to_install", "top": "to_install"}
    assert "base" in await runtime.error("top")
    assert "purple" in await runtime.error("middle")


async def test_a_failed_module_is_tried_again_ever_more_slowly_and_rests_after_five_attempts(runtime, site, clock):
    site.add("bad").revision("bad_0001", 'raise RuntimeError("no")')
    await runtime.install("bad")
    tried = []

    for _ in range(60):
        report = await runtime.boot()
        tried.append(await runtime.sql.fetchval("SELECT max(attempt) FROM core_module_operation_log"))
        clock.advance(seconds=20)

    assert [tried.index(attempt) for attempt in range(2, 6)] == [0, 2, 8, 38]
    assert max(tried) == 5
    assert "bad rests after 5 failed attempts; the last said" in report.modules[0].reason
    assert not report.ok


async def test_a_pause_between_attempts_ends_early_when_somebody_asks(runtime, site, clock):
    site.add("bad").revision("bad_0001", 'raise RuntimeError("no")')
    await runtime.install("bad")
    await runtime.boot()

    report = await runtime.boot()
    await runtime.ask("bad")
    await runtime.sql.execute("UPDATE core_module SET next_attempt_at = NULL")
    await runtime.boot()

    assert "Attempt 2 of 5 failed" in report.modules[0].reason
    assert "modules retry bad" in report.modules[0].reason
    assert await runtime.sql.fetchval("SELECT count(*) FROM core_module_operation_log WHERE status = 'failed'") == 3


@pytest.mark.parametrize(
    ("limits", "statement", "says"),
    [
        (Limits(statement_timeout=0.05), 'op.execute("SELECT pg_sleep(5)")', "DENTALPIN_MIGRATION_STATEMENT_TIMEOUT"),
        (Limits(lock_timeout=0.05), 'op.execute("LOCK TABLE clinics IN ACCESS EXCLUSIVE MODE")', "DENTALPIN_MIGRATION_LOCK_TIMEOUT"),
    ],
)
async def test_a_migration_neither_waits_nor_works_for_ever(runtime, site, limits, statement, says):
    site.add("slow").revision("slow_0001", statement)
    runtime.limits = limits
    await runtime.boot()
    await runtime.ask("slow")
    somebody = await asyncpg.connect(runtime.database.owner_url)
    await somebody.execute("BEGIN; LOCK TABLE clinics IN ACCESS SHARE MODE")

    report = await runtime.boot()
    await somebody.close()

    assert says in report.modules[0].reason
    assert await runtime.states() == {"slow": "to_install"}


async def test_a_repaired_module_is_installed_at_the_next_boot(runtime, site):
    site.add("bad").revision("bad_0001", 'raise RuntimeError("no")')
    await runtime.install("bad")
    site.add("bad", version="1.0.1").with_table("bad")

    assert (await runtime.boot()).ok
    assert await runtime.states() == {"bad": "installed"}
    assert await runtime.error("bad") is None


async def test_a_hook_and_its_rows_belong_to_the_transaction(runtime, site):
    body = """
async def install(self, ctx):
    from sqlalchemy import text
    await ctx.db.execute(text("INSERT INTO stock_items (id) VALUES (gen_random_uuid())"))
    await ctx.db.commit()
    raise RuntimeError("after its own commit")
"""
    site.add("stock", body=body).with_table("stock_items", clinic=False)

    report = await runtime.install("stock")

    assert "after its own commit" in report.modules[0].reason
    assert "stock_items" not in await runtime.tables()


async def test_new_tables_are_isolated_by_clinic(runtime, site):
    site.add("stock").with_table("stock_items")
    await runtime.install("stock")

    assert await runtime.sql.fetchval("SELECT relrowsecurity FROM pg_class WHERE relname = 'stock_items'")


async def test_a_second_boot_does_nothing_and_reads_no_migrations(runtime, site):
    site.add("stock").with_table("stock_items")
    await runtime.install("stock")
    before = await runtime.sql.fetchval("SELECT count(*) FROM core_module_operation_log")
    processor = runtime.processor()

    report = await processor.run()

    assert [module.outcome for module in report.modules] == ["unchanged"]
    assert processor._book is None
    assert await runtime.sql.fetchval("SELECT count(*) FROM core_module_operation_log") == before

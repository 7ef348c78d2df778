"""Killed at any step, the processor converges at the next start, and nothing is lost or doubled."""

import asyncio
import os
import subprocess
import sys

import pytest

from app.core.plugins.processor import Processor
from tests.support.packages import drop, table

SEEDS = """
- xml_id: stock.default
  table: stock_categories
  values: {name: "Consumables"}
"""
HOOKS = """
async def install(self, ctx):
    from sqlalchemy import text
    await ctx.db.execute(text("INSERT INTO stock_notes DEFAULT VALUES"))

async def post_upgrade(self, ctx, from_version):
    await self.install(ctx)

async def uninstall(self, ctx):
    pass
"""
INSTALL = [f"processor.install.{step}" for step in ("migrate", "seed", "lifecycle", "finalize")]
UPGRADE = [f"processor.upgrade.{step}" for step in ("migrate", "seed", "lifecycle", "finalize")]
UNINSTALL = [f"processor.uninstall.{step}" for step in ("backup", "lifecycle", "delete_data", "migrate_down", "finalize")]


def in_ci(points):
    """One fault per step in CI, both sides of each step in the whole matrix."""
    return [
        pytest.param(f"{point}.{moment}", marks=[pytest.mark.full] if (index + (moment == "after")) % 2 else [])
        for index, point in enumerate(points)
        for moment in ("before", "after")
    ]


def stock(site, version="1.0.0"):
    package = site.add("stock", version=version, body=HOOKS, data_files=["data/seeds.yaml"])
    package.revision(
        "stock_0001",
        table("stock_categories", 'sa.Column("name", sa.String(50))'),
        table("stock_notes", clinic=False),
        downgrade=[drop("stock_notes"), drop("stock_categories")],
    )
    return package.seeds(SEEDS)


def killed_at(runtime, site, point, *arguments):
    """Run the processor as the remover and `modules process` do, and see it die there."""
    environment = {
        **os.environ,
        "OWNER_DATABASE_URL": runtime.database.owner_url,
        "DENTALPIN_STORAGE": str(runtime.storage),
        "PG_BINDIR": str(runtime.database.bindir),
        "PYTHONPATH": os.pathsep.join(str(path) for path in site.folder.iterdir()),
        "DENTALPIN_FAULT": point,
    }
    done = subprocess.run(
        [sys.executable, "-m", "app.cli.main", "modules", "process", *arguments], env=environment, check=False, capture_output=True
    )
    assert done.returncode == -9, done.stderr.decode()


async def assert_whole(runtime, *, notes):
    assert (await runtime.states())["stock"] == "installed"
    assert await runtime.sql.fetchval("SELECT count(*) FROM stock_categories") == 1
    assert await runtime.sql.fetchval("SELECT count(*) FROM core_external_id") == 1
    assert await runtime.sql.fetchval("SELECT count(*) FROM stock_notes") == notes
    assert await runtime.sql.fetchval("SELECT count(*) FROM core_table_owner WHERE module_name = 'stock'") == 2


@pytest.mark.parametrize("point", in_ci(INSTALL))
async def test_an_install_killed_at_any_step_is_whole_after_the_next_start(runtime, site, point):
    await runtime.add_clinic()
    stock(site)
    await runtime.boot()
    await runtime.ask("stock")
    killed_at(runtime, site, point)

    assert (await runtime.boot()).ok
    await assert_whole(runtime, notes=1)


@pytest.mark.parametrize("point", in_ci(UPGRADE))
async def test_an_upgrade_killed_at_any_step_is_whole_after_the_next_start(runtime, site, point):
    await runtime.add_clinic()
    stock(site)
    await runtime.install("stock")
    stock(site, "1.1.0").revision("stock_0002", 'op.add_column("stock_notes", sa.Column("x", sa.Integer))', down="stock_0001")
    killed_at(runtime, site, point)

    assert (await runtime.boot()).ok
    await assert_whole(runtime, notes=2)
    assert await runtime.heads() == {"stock_0002"}


@pytest.mark.parametrize("point", in_ci(UNINSTALL))
async def test_a_removal_killed_at_any_step_is_complete_after_the_next_start(runtime, site, point):
    await runtime.add_clinic()
    stock(site)
    await runtime.boot()
    before = await runtime.snapshot()
    await runtime.install("stock")
    await runtime.ask("stock", "to_remove")
    killed_at(runtime, site, point, "--removals")

    assert (await runtime.boot(removals=True)).ok
    assert await runtime.snapshot() == before
    assert (await runtime.states())["stock"] == "uninstalled"


async def test_of_two_booting_together_one_processes_and_the_other_waits(runtime, site):
    stock(site)
    await runtime.boot()
    await runtime.ask("stock")

    reports = await asyncio.gather(runtime.boot(), runtime.boot())

    assert all(report.ok for report in reports)
    done = await runtime.sql.fetchval("SELECT count(*) FROM core_module_operation_log WHERE step = 'migrate' AND status = 'started'")
    assert done == 1


async def test_a_locked_table_is_waited_for_by_trying_the_whole_transaction_again(runtime, site):
    site.add("base").with_table("base_items")
    await runtime.install("base")
    site.add("stock", depends=["base"]).revision(
        "stock_0001", table("stock_items", 'sa.Column("base", sa.Uuid, sa.ForeignKey("base_items.id"))'), downgrade=[drop("stock_items")]
    )
    await runtime.boot()
    await runtime.ask("stock")
    blocker = runtime.sql.transaction()
    await blocker.start()
    await runtime.sql.execute("LOCK TABLE base_items IN ACCESS EXCLUSIVE MODE")

    boot = asyncio.create_task(runtime.boot())
    watcher = await _other_connection(runtime)
    waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'base_items'::regclass)"
    while not await watcher.fetchval(waiting):  # noqa: ASYNC110  what is waited for happens in the server
        await asyncio.sleep(0)
    await blocker.rollback()
    await watcher.close()

    assert (await boot).ok


async def _other_connection(runtime):
    import asyncpg

    return await asyncpg.connect(runtime.database.owner_url)


async def test_a_processor_that_lost_its_lock_changes_nothing(runtime, site):
    body = """
async def install(self, ctx):
    import asyncpg
    owner = await asyncpg.connect(OWNER)
    here = "SELECT oid FROM pg_database WHERE datname = current_database()"
    await owner.execute(f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = ({here})")
    await owner.close()
"""
    site.add("stock", imports=f"OWNER = {runtime.database.owner_url!r}", body=body).with_table("stock_items")
    await runtime.boot()
    await runtime.ask("stock")

    with pytest.raises(Exception, match="processor's lock was lost"):
        await runtime.boot()

    assert "stock_items" not in await runtime.tables()
    assert await runtime.states() == {"stock": "to_install"}


async def test_the_password_is_in_no_error_and_no_log(runtime, site, caplog):
    site.add("bad").revision("bad_0001", 'op.execute("SELECT nonsense")')
    await runtime.install("bad")

    assert isinstance(runtime.processor(), Processor)
    said = caplog.text + str(await runtime.error("bad")) + str(await runtime.sql.fetch("SELECT details FROM core_module_operation_log"))
    assert "only-for-tests" not in said

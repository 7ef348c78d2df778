"""Whatever strikes the processor at whatever step, the next start ends where an undisturbed run does, and the log has each attempt."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from app.core.plugins.processor import Processor
from tests.support.crashes import OPERATIONS, Result, attempts_in_log, cases, result_of, stock, strike
from tests.support.packages import drop, table
from tests.support.zygote import NOT_AS_ASKED

_UNDISTURBED: dict[str, Result] = {}


async def undisturbed(make_runtime, site, operation):
    """The result of the operation when nothing strikes it; found once per run of the tests."""
    if operation.name not in _UNDISTURBED:
        async with make_runtime("undisturbed") as runtime:
            await operation.prepare(runtime, site)
            await operation.again(runtime)
            _UNDISTURBED[operation.name] = await result_of(runtime)
    return _UNDISTURBED[operation.name]


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=str(case), marks=[] if case.by_default else [pytest.mark.full]) for case in cases()]
)
async def test_the_start_after_a_fault_ends_where_an_undisturbed_run_does(runtime, make_runtime, site, zygote, case):
    expected = await undisturbed(make_runtime, site, case.operation)
    await case.operation.prepare(runtime, site)

    status = await strike(runtime, zygote, case)
    ended = await result_of(runtime) == expected
    await case.operation.again(runtime)

    assert (status == -signal.SIGKILL) == (case.fault == "kill")
    assert await result_of(runtime) == expected
    _assert_every_attempt_is_in_the_log(case, ended, await attempts_in_log(runtime.sql, case.operation.logged, case.operation.steps[0]))
    assert not list(runtime.storage.rglob("*.draft")), "a killed process left an unfinished backup behind"


def _assert_every_attempt_is_in_the_log(case, ended, attempts):
    struck, *later = attempts
    assert (case.step, "started") in struck.trail
    assert len(later) == (0 if ended else 1)
    if later:
        assert later[0].completed[-len(case.operation.steps[1:]) :] == list(case.operation.steps[1:])
        assert (case.step, "completed") not in struck.trail or case.moment == "after" or case.operation.name == "install_in_pieces"
    assert [attempt.number for attempt in attempts] == ([1, 2] if later and case.operation.work != "restore" else [1] * len(attempts))


async def test_a_full_disk_is_said_in_words_a_person_can_act_on(runtime, site, zygote):
    [case] = [case for case in cases() if case.fault == "full" and case.by_default]
    await case.operation.prepare(runtime, site)

    assert await strike(runtime, zygote, case) == NOT_AS_ASKED

    assert "Free some space" in await runtime.error("stock")
    assert (await runtime.states())["stock"] == "to_remove"
    assert {"stock_categories", "stock_notes"} <= await runtime.tables()


async def test_a_table_made_outside_a_transaction_is_isolated_and_removed_though_its_maker_died(runtime, site, zygote):
    [case] = [case for case in cases() if case.point == "stock.none.in" and case.fault == "kill"]
    await case.operation.prepare(runtime, site)
    await strike(runtime, zygote, case)
    assert "stock_categories" in await runtime.tables()

    await runtime.ask("stock", "to_remove")
    assert (await runtime.boot(removals=True)).ok

    assert not {table for table in await runtime.tables() if table.startswith("stock")}


async def test_an_install_whose_commit_went_through_is_done_whatever_came_after_it(runtime, site, monkeypatch):
    await OPERATIONS["install"].prepare(runtime, site)
    monkeypatch.setenv("DENTALPIN_FAULT", "processor.install.finalize.after:error")

    report = await runtime.boot()

    assert report.ok
    assert (await runtime.states())["stock"] == "installed"
    assert await runtime.error("stock") is None


async def test_a_removal_whose_commit_went_through_is_done_whatever_came_after_it(runtime, site, monkeypatch):
    await OPERATIONS["uninstall"].prepare(runtime, site)
    monkeypatch.setenv("DENTALPIN_FAULT", "processor.uninstall.finalize.after:error")

    report = await runtime.boot(removals=True)

    assert report.ok
    assert (await runtime.states())["stock"] == "uninstalled"
    assert await runtime.error("stock") is None


async def test_the_remover_killed_in_the_middle_is_followed_by_another(runtime, site):
    """The same through the command that boot starts."""
    case = next(case for case in cases() if case.operation.name == "uninstall" and case.fault == "kill")
    await case.operation.prepare(runtime, site)
    environment = {
        **os.environ,
        "OWNER_DATABASE_URL": runtime.database.owner_url,
        "DENTALPIN_STORAGE": str(runtime.storage),
        "PG_BINDIR": str(runtime.database.bindir),
        "PYTHONPATH": os.pathsep.join(str(path) for path in site.folder.iterdir()),
        "DENTALPIN_FAULT": "processor.uninstall.migrate_down.in",
    }
    remover = [sys.executable, "-m", "app.cli.main", "modules", "process", "--removals"]
    done = await asyncio.to_thread(subprocess.run, remover, env=environment, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()

    assert (await runtime.boot(removals=True)).ok
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

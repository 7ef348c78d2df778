"""Jobs run when it is time, for each clinic, once, and only while their module is there."""

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.core import modes
from app.core.jobs import JobContext, ScheduledJob, schedule
from app.core.jobs.runner import JobRunner
from app.database import Database, current_unit

from .conftest import START, effect, remind

DAILY = ScheduledJob("remind", remind, "cron", trigger_args={"hour": 8})
HOURLY = ScheduledJob("remind", remind, "interval", trigger_args={"hours": 1})


async def test_a_job_runs_at_its_time_once_for_each_clinic_in_that_clinic(clinics):
    clinics.install(DAILY)
    runner = clinics.runner

    assert await runner.run_due() == 0
    clinics.clock.pass_(hours=1)
    assert await runner.run_due() == 2
    assert await runner.run_due() == 0

    assert await clinics.effects() == [(clinics.a, "reminded"), (clinics.b, "reminded")]
    assert await clinics.runs() == [("remind", clinics.a, "done", 1), ("remind", clinics.b, "done", 1)]


async def test_hours_are_those_of_the_clinics_time_zone(clinics):
    await clinics.rows("UPDATE clinics SET timezone = 'Atlantic/Canary' WHERE id = $1", clinics.b)
    clinics.install(DAILY)

    await clinics.runner.sync()

    assert await clinics.next_runs() == [START + timedelta(hours=1), START + timedelta(hours=2)]


async def test_what_was_missed_while_nothing_ran_is_made_up_for_once(clinics):
    clinics.install(HOURLY)
    await clinics.runner.sync()
    clinics.clock.pass_(hours=5, minutes=20)

    assert await clinics.runner.run_due() == 2

    # And the rhythm stays what it was.
    assert await clinics.next_runs() == [START + timedelta(hours=6)] * 2


async def test_a_job_of_the_tenant_runs_once_without_a_clinic(clinics):
    seen = []

    async def look(ctx: JobContext):
        seen.append((ctx.clinic_id, ctx.job, ctx.logger.name, current_unit().session is ctx.db))
        assert await ctx.db.scalar(text("SELECT count(*) FROM effects")) == 0

    await clinics.rows("INSERT INTO effects (clinic_id, what) VALUES ($1, 'of a')", clinics.a)
    clinics.install(ScheduledJob("look", look, "interval", trigger_args={"minutes": 5}, scope="tenant"))
    await clinics.runner.sync()
    clinics.clock.pass_(minutes=5)

    assert await clinics.runner.run_due() == 1
    assert seen == [(None, "look", "app.modules.recalls", True)]


async def test_a_job_sees_its_clinics_rows_only(clinics):
    counts = []

    async def count(db, clinic_id):
        await effect(db, clinic_id, "here")
        counts.append(await db.scalar(text("SELECT count(*) FROM effects")))

    clinics.install(ScheduledJob("count", count, "interval", trigger_args={"minutes": 1}))
    await clinics.runner.sync()
    clinics.clock.pass_(minutes=1)
    await clinics.runner.run_due()

    assert counts == [1, 1]


async def test_a_failed_run_leaves_nothing_and_is_tried_again_with_growing_pauses(clinics, caplog):
    async def fail(db, clinic_id):
        await effect(db, clinic_id, "half done")
        raise ValueError("Ana's allergy")

    clinics.install(ScheduledJob("fail", fail, "cron", trigger_args={"hour": 8}))
    await clinics.rows("UPDATE clinics SET status = 'archived' WHERE id = $1", clinics.b)
    runner = clinics.runner
    await runner.sync()
    clinics.clock.pass_(hours=1)
    with caplog.at_level(logging.WARNING):
        await runner.run_due()
    assert await clinics.next_runs() == [clinics.clock.now() + schedule.FIRST_DELAY]
    for _ in range(schedule.MAX_ATTEMPTS - 1):
        clinics.clock.pass_(minutes=20)
        await runner.run_due()

    assert await clinics.effects() == []
    assert [run[2:] for run in await clinics.runs()] == [("failed", attempt) for attempt in range(1, schedule.MAX_ATTEMPTS + 1)]
    assert await clinics.next_runs() == [START + timedelta(hours=25)]
    errors = await clinics.rows("SELECT error FROM core_job_run")
    assert errors[0][0].startswith("ValueError at ")
    assert "allergy" not in caplog.text + str(errors)


async def test_a_job_killed_in_the_middle_leaves_nothing_and_runs_again(clinics):
    started = asyncio.Event()

    async def stuck(db, clinic_id):
        await effect(db, clinic_id, "half done")
        started.set()
        await asyncio.Event().wait()

    await clinics.rows("UPDATE clinics SET status = 'archived' WHERE id = $1", clinics.b)
    clinics.install(ScheduledJob("remind", stuck, "cron", trigger_args={"hour": 8}))
    await clinics.runner.sync()
    clinics.clock.pass_(hours=1)
    killed = asyncio.create_task(clinics.runner.run_due())
    await started.wait()
    assert [run[2] for run in await clinics.runs()] == ["running"]
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)

    clinics.install(DAILY)
    assert await clinics.runner.run_due() == 1

    assert await clinics.effects() == [(clinics.a, "reminded")]
    assert [run[2] for run in await clinics.runs()] == ["lost", "done"]


async def test_several_processes_run_a_job_once(clinics):
    async def slow(db, clinic_id):
        await effect(db, clinic_id, "slow")
        await asyncio.sleep(0)

    clinics.install(*(ScheduledJob(f"slow-{n}", slow, "interval", trigger_args={"hours": 1}) for n in range(6)))
    other = Database(clinics.tenant.app_url)
    runners = [clinics.runner, clinics.runner, JobRunner(other, clinics.registry)]
    await asyncio.gather(*(runner.sync() for runner in runners))
    clinics.clock.pass_(hours=1)

    runs = await asyncio.gather(*(runner.run_due() for runner in runners))
    await other.dispose()

    assert sum(runs) == len(await clinics.effects()) == 12


async def test_a_job_that_rolls_back_by_itself_and_loses_its_claim_keeps_nothing(clinics):
    async def gives_it_away(db, clinic_id):
        await db.rollback()
        clinics.install(DAILY)
        await JobRunner(clinics.database, clinics.registry).run_due()
        await effect(db, clinic_id, "by the slow one")

    await clinics.rows("UPDATE clinics SET status = 'archived' WHERE id = $1", clinics.b)
    clinics.install(ScheduledJob("remind", gives_it_away, "cron", trigger_args={"hour": 8}))
    await clinics.runner.sync()
    clinics.clock.pass_(hours=1)

    await clinics.runner.run_due()

    assert await clinics.effects() == [(clinics.a, "reminded")]


async def test_a_job_that_takes_too_long_is_stopped(clinics):
    async def endless(db):
        await asyncio.Event().wait()

    clinics.install(ScheduledJob("endless", endless, "interval", trigger_args={"hours": 1}, timeout=timedelta(milliseconds=20)))
    await clinics.runner.sync()
    clinics.clock.pass_(hours=1)
    await clinics.runner.run_due()

    assert (await clinics.rows("SELECT error FROM core_job_run"))[0][0].startswith("TimeoutError")


async def test_only_while_its_module_is_there(clinics):
    clinics.install(DAILY)
    runner = clinics.runner
    await runner.sync()
    clinics.clock.pass_(hours=1)
    clinics.registry.unmount("recalls")

    assert await runner.run_due() == 0
    assert await runner.next_due() is None

    clinics.install(DAILY)
    assert await runner.run_due() == 2


async def test_nothing_runs_while_the_clinic_is_read_only(clinics):
    clinics.install(DAILY)
    runner = clinics.runner
    await runner.sync()
    clinics.clock.pass_(hours=1)
    modes.install(modes.Mode.READ_ONLY)
    try:
        assert await runner.run_due() == 0
        assert await runner.next_wake() is None
    finally:
        modes.install(modes.Mode.NORMAL)
    assert await runner.run_due() == 2


async def test_new_clinics_get_their_jobs_and_archived_ones_lose_them(clinics):
    clinics.install(DAILY)
    runner = clinics.runner
    await runner.sync()
    await clinics.rows("UPDATE clinics SET status = 'archived' WHERE id = $1", clinics.a)
    await clinics.rows(
        "INSERT INTO clinics (name, country, timezone, currency, locale) VALUES ('Mar', 'ES', 'Europe/Madrid', 'EUR', 'es-ES')"
    )

    await runner.sync()

    assert len(await clinics.next_runs()) == 2
    assert clinics.a not in {row[0] for row in await clinics.rows("SELECT clinic_id FROM core_job")}


async def test_another_process_with_another_version_of_the_module_takes_nothing_away(clinics):
    clinics.install(DAILY)
    old = clinics.runner
    await old.sync()
    clinics.install(HOURLY, ScheduledJob("tidy", remind, "interval", trigger_args={"days": 1}))
    await JobRunner(clinics.database, clinics.registry).sync()
    clinics.install(DAILY)
    await clinics.rows("UPDATE clinics SET status = 'archived' WHERE id = $1", clinics.b)

    await old.sync()

    rows = await clinics.rows("SELECT job_id, clinic_id, trigger FROM core_job ORDER BY id")
    assert ("remind", clinics.a, "interval: hours=1") in rows
    assert ("tidy", clinics.a, "interval: days=1") in rows


async def test_a_changed_trigger_counts_from_the_next_start_on_and_a_dropped_job_goes(clinics):
    clinics.install(DAILY, ScheduledJob("tidy", remind, "interval", trigger_args={"days": 1}))
    await clinics.runner.sync()
    clinics.install(HOURLY)

    await clinics.runner.sync()

    assert await clinics.rows("SELECT DISTINCT job_id, trigger FROM core_job") == [("remind", "interval: hours=1")]


async def test_a_sleeping_runtime_is_woken_for_a_job_at_most_once_an_hour(clinics):
    clinics.install(ScheduledJob("poll", remind, "interval", trigger_args={"minutes": 1}))
    runner = clinics.runner
    await runner.sync()
    clinics.clock.pass_(minutes=1)
    await runner.run_due()

    assert await runner.next_due() == clinics.clock.now() + timedelta(minutes=1)
    assert await runner.next_wake() == clinics.clock.now() + timedelta(hours=1)


async def test_a_nightly_job_wakes_a_sleeping_runtime_to_the_minute_unless_it_says_no(clinics):
    clinics.install(ScheduledJob("nightly", remind, "cron", trigger_args={"hour": 3}))
    runner = clinics.runner
    await runner.sync()
    assert await runner.next_wake() == datetime(2026, 11, 24, 2, 0, tzinfo=UTC)

    clinics.install(ScheduledJob("nightly", remind, "cron", trigger_args={"hour": 3}, wakes=False))
    assert await runner.next_wake() is None


async def test_the_running_runner_is_woken(clinics):
    done = asyncio.Event()

    async def heard():
        done.set()

    clinics.install(ScheduledJob("hear", heard, "interval", trigger_args={"days": 1}))
    runner = clinics.runner
    await runner.sync()
    task = asyncio.create_task(runner.run())
    try:
        async with asyncio.timeout(30):
            clinics.clock.pass_(days=1)
            while not done.is_set():
                runner.wake()
                with suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(done.wait()), 0.2)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_old_runs_go(clinics):
    clinics.install(HOURLY)
    runner = clinics.runner
    await runner.sync()
    clinics.clock.pass_(hours=1)
    await runner.run_due()
    clinics.clock.pass_(days=31)
    await runner.run_due()
    async with clinics.database.unit() as unit:
        assert await schedule.prune(unit.session, clinics.clock.now()) == 2


async def test_uninstalling_takes_the_jobs_out_of_the_books(clinics):
    clinics.install(DAILY)
    await clinics.runner.sync()
    async with clinics.database.unit() as unit:
        assert await schedule.forget_jobs(unit.session, "recalls") == 2


@pytest.mark.parametrize("trigger_args", [{"hour": 25}, {"noon": True}])
async def test_a_trigger_nobody_can_read_is_said_in_the_log_and_holds_up_no_other(clinics, caplog, trigger_args):
    clinics.install(ScheduledJob("wrong", remind, "cron", trigger_args=trigger_args), DAILY)

    with caplog.at_level(logging.ERROR):
        await clinics.runner.sync()

    assert "The job 'wrong' of recalls cannot be scheduled: its cron trigger cannot be read" in caplog.text
    assert len(await clinics.next_runs()) == 2


async def test_no_more_clinics_at_once_than_the_job_allows(clinics):
    running, most = 0, 0

    async def alone(clinic_id):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1

    clinics.install(ScheduledJob("alone", alone, "interval", trigger_args={"hours": 1}))
    runner = clinics.runner
    await runner.sync()
    clinics.clock.pass_(hours=1)

    await asyncio.gather(*(runner.run_due() for _ in range(4)))
    await runner.run_due()

    assert most == 1
    assert {run[2] for run in await clinics.runs()} == {"done"}


async def test_nothing_runs_while_the_modules_tables_are_not_safe_from_removal(clinics):
    safe = False
    clinics.install(DAILY)
    runner = JobRunner(clinics.database, clinics.registry, serving=lambda: safe)
    await runner.sync()
    clinics.clock.pass_(hours=1)

    assert await runner.run_due() == 0
    safe = True
    assert await runner.run_due() == 2


async def test_the_jobs_of_a_module_that_has_none_any_more_go(clinics):
    clinics.install(DAILY)
    await clinics.runner.sync()
    clinics.install()

    await clinics.runner.run_due()

    assert await clinics.next_runs() == []

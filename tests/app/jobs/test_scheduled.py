"""What a module may say about its jobs."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from app.core.jobs import JobContext, ScheduledJob
from app.core.jobs.errors import JobInvalid
from app.core.jobs.scheduled import jobs_of
from app.core.jobs.triggers import next_run

SESSION, CLINIC = object(), object()
CONTEXT = JobContext(SESSION, CLINIC, "recalls", "j", datetime(2026, 1, 1, tzinfo=UTC), None)  # type: ignore[arg-type]
seen = []


async def nothing():
    seen.append(())


async def session_and_clinic(db, clinic_id):
    seen.append((db, clinic_id))


async def by_keyword(*, clinic_id, session):
    seen.append((session, clinic_id))


async def with_context(ctx, tries=3):
    seen.append((ctx,))


def in_a_thread(clinic_id):
    seen.append((clinic_id,))


@pytest.mark.parametrize(
    ("func", "given"),
    [
        (nothing, ()),
        (session_and_clinic, (SESSION, CLINIC)),
        (by_keyword, (SESSION, CLINIC)),
        (with_context, (CONTEXT,)),
        (in_a_thread, (CLINIC,)),
        (lambda: nothing(), ()),
    ],
)
async def test_a_job_is_called_the_way_it_is_written(func, given):
    seen.clear()
    [job] = jobs_of("recalls", [ScheduledJob("j", func, "cron")])

    await job.run(CONTEXT)

    assert seen == [given]


@pytest.mark.parametrize(
    "given",
    [
        {"id": "j", "func": nothing, "trigger": "interval", "name": "J", "trigger_args": {"hours": 2}, "max_instances": 2},
        SimpleNamespace(id="j", func=nothing, trigger="interval", name="J", trigger_args={"hours": 2}, max_instances=2),
        ScheduledJob("j", nothing, "interval", "J", {"hours": 2}, 2),
    ],
)
def test_a_mapping_or_an_object_with_the_same_fields_is_taken_too(given):
    [job] = jobs_of("recalls", [given])

    assert (job.key, job.name, job.when, job.max_instances) == (("recalls", "j"), "J", "interval: hours=2", 2)


def sync_with_session(db):
    pass


async def unknown(patient):
    pass


@pytest.mark.parametrize(
    ("job", "why"),
    [
        (ScheduledJob("", nothing, "cron"), "its id must be up to"),
        (ScheduledJob("j", "nothing", "cron"), "no function"),
        (ScheduledJob("j", nothing, "date"), "one of cron, interval"),
        (ScheduledJob("j", nothing, "cron", trigger_args=[1]), "as a mapping"),
        (ScheduledJob("j", nothing, "cron", max_instances=0), "max_instances"),
        (ScheduledJob("j", nothing, "cron", scope="world"), "scope"),
        (ScheduledJob("j", nothing, "cron", timeout=timedelta(days=1)), "in parts"),
        (ScheduledJob("j", sync_with_session, "cron"), "async def"),
        (ScheduledJob("j", unknown, "cron"), "what to give patient"),
    ],
)
def test_a_job_nobody_could_run_is_refused_with_the_reason(job, why):
    with pytest.raises(JobInvalid, match=why):
        jobs_of("recalls", [job])


def test_two_jobs_of_one_id_are_refused():
    with pytest.raises(JobInvalid, match="two jobs"):
        jobs_of("recalls", [ScheduledJob("j", nothing, "cron"), ScheduledJob("j", nothing, "cron")])


@pytest.mark.parametrize(
    ("trigger", "arguments", "expected"),
    [
        ("cron", {"hour": 8, "minute": 30}, datetime(2026, 3, 29, 6, 30, tzinfo=UTC)),
        ("cron", {"day_of_week": "mon", "hour": 9}, datetime(2026, 3, 30, 7, 0, tzinfo=UTC)),
        ("cron", {"hour": 8, "timezone": "UTC"}, datetime(2026, 3, 29, 8, 0, tzinfo=UTC)),
        ("interval", {"hours": 6}, datetime(2026, 3, 29, 4, 0, tzinfo=UTC)),
        ("interval", {"days": 1, "start_date": "2026-03-01 10:00:00"}, datetime(2026, 3, 29, 9, 0, tzinfo=UTC)),
        ("interval", {"minutes": 1, "end_date": "2026-03-01 10:00:00"}, None),
    ],
)
def test_the_next_moment_also_over_a_change_to_summer_time(trigger, arguments, expected):
    [job] = jobs_of("recalls", [ScheduledJob("j", nothing, trigger, trigger_args=arguments)])

    # 23:00 in Madrid, four hours before its clocks go forward.
    moment = next_run(job, datetime(2026, 3, 28, 22, 0, tzinfo=UTC), "Europe/Madrid")

    assert moment == expected


def test_an_interval_of_nothing_is_refused():
    [job] = jobs_of("recalls", [ScheduledJob("j", nothing, "interval")])

    with pytest.raises(JobInvalid, match="needs weeks, days"):
        next_run(job, datetime(2026, 1, 1, tzinfo=UTC), "UTC")


def test_a_time_zone_this_machine_does_not_know_is_utc():
    [job] = jobs_of("recalls", [ScheduledJob("j", nothing, "cron", trigger_args={"hour": 8})])

    assert next_run(job, datetime(2026, 1, 1, tzinfo=UTC), "Mars/Olympus") == datetime(2026, 1, 1, 8, tzinfo=UTC)

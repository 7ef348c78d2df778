"""A runtime that sleeps says when it must wake for a job, and does what is due when it does. Real processes."""

from datetime import UTC, datetime, timedelta

import asyncpg

from tests.support.packages import Package

JOBS = """
def get_scheduled_jobs(self):
    return [
        ScheduledJob("tick", tick, "interval", trigger_args={"hours": 6}),
        ScheduledJob("chatter", chatter, "interval", trigger_args={"seconds": 1}),
    ]
"""
FUNCTIONS = """
from app.core.jobs import ScheduledJob
from sqlalchemy import text

async def tick(db, clinic_id):
    own = (await db.execute(text("SELECT current_setting('app.clinic_id')"))).scalar_one()
    assert own == str(clinic_id)

async def chatter():
    pass
"""


async def rows(runtime, query: str) -> list[tuple]:
    connection = await asyncpg.connect(runtime.database.owner_url)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def sleeps(runtime, **variables) -> datetime:
    """Serve until idle; when it wants to be woken."""
    process = await runtime.serve(DENTALPIN_IDLE_AFTER="0.5", **variables)
    idle = await process.event("idle")
    assert await process.ended() == 0
    return datetime.fromisoformat(idle["wake_at"])


async def test_it_wakes_for_the_next_job_does_it_and_sleeps_again_though_another_runs_every_second(runtime, asked, tmp_path):
    site = tmp_path / "site"
    Package(site, "ticker", version="0.1.0", imports=FUNCTIONS, body=JOBS).write()
    runtime.revise(asked("patients", "agenda", "ticker", generation=2))

    wake_at = await sleeps(runtime, PYTHONPATH=str(site))
    assert timedelta(0) < wake_at - datetime.now(UTC) <= timedelta(hours=1), "the chatter wakes at most once an hour"

    await rows(runtime, "UPDATE core_job SET paused = true WHERE job_id = 'chatter'")
    await rows(runtime, "UPDATE core_job SET next_run_at = now() WHERE job_id = 'tick'")
    wake_at = await sleeps(runtime, PYTHONPATH=str(site))

    assert await rows(runtime, "SELECT status FROM core_job_run WHERE job_id = 'tick'") == [("done",)]
    assert timedelta(hours=5) < wake_at - datetime.now(UTC) <= timedelta(hours=6)

"""The books of the jobs: what there is, what is due, what became of it. Every function works in its caller's transaction.

`session` must be of no clinic where a function looks at all of them, or it sees only its clinic's rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from .models import RunStatus
from .scheduled import Job

CHANNEL: Final = "core_job"
"""Notified when a person changed what is due."""
MAX_ATTEMPTS: Final = 5
"""After as many failures in a row a job waits for its next regular moment."""
FIRST_DELAY: Final = timedelta(seconds=30)
LONGEST_DELAY: Final = timedelta(minutes=15)
WAKES_AT_MOST_EVERY: Final = timedelta(hours=1)
"""A sleeping runtime is woken for one job no more often than this, however often it would run."""
RETENTION: Final = timedelta(days=30)
RUNS_KEPT: Final = 200
"""Of one job in one clinic, at most as many runs are kept."""

Key = tuple[str, str]
_THESE: Final = "(j.module_name, j.job_id) IN (SELECT m, i FROM unnest(CAST(:modules AS text[]), CAST(:jobs AS text[])) AS these (m, i))"
_CLINICS: Final = text("SELECT id, timezone FROM clinics WHERE status = 'active' ORDER BY created_at, id")
_KNOWN: Final = text("SELECT id, module_name, job_id, clinic_id, definition FROM core_job WHERE module_name = ANY(:modules)")
_ADD: Final = text("""
    INSERT INTO core_job (module_name, job_id, clinic_id, name, trigger, definition, next_run_at)
    VALUES (:module, :job, :clinic, :name, :trigger, :definition, :next) ON CONFLICT DO NOTHING
""")
_CHANGE: Final = text("""
    UPDATE core_job SET name = :name, trigger = :trigger, definition = :definition, next_run_at = :next, failures = 0 WHERE id = :id
""")
_CLAIM: Final = text(f"""
    SELECT j.id, j.module_name, j.job_id, j.clinic_id, j.next_run_at, j.failures, j.requested_by, c.timezone
    FROM core_job j LEFT JOIN clinics c ON c.id = j.clinic_id
    WHERE {_THESE} AND NOT j.paused AND j.next_run_at <= :now
    ORDER BY j.next_run_at, j.id LIMIT 1 FOR UPDATE OF j SKIP LOCKED
""")
_NEXT_DUE: Final = text(f"SELECT min(j.next_run_at) FROM core_job j WHERE {_THESE} AND NOT j.paused")
_NEXT_WAKE: Final = text(f"""
    SELECT min(CASE WHEN j.requested_by IS NOT NULL THEN j.next_run_at
                    ELSE greatest(j.next_run_at, j.last_run_at + CAST(:pause AS interval)) END)
    FROM core_job j WHERE {_THESE} AND NOT j.paused AND j.next_run_at IS NOT NULL
""")
_LOST: Final = text("""
    UPDATE core_job_run SET status = 'lost', finished_at = :now, error = 'its process ended before the job did'
    WHERE job = :job AND status = 'running'
""")
_BEGIN: Final = text("""
    INSERT INTO core_job_run (job, module_name, job_id, clinic_id, attempt, scheduled_for, started_at, requested_by, process)
    VALUES (:job, :module, :id, :clinic, :attempt, :scheduled, :now, :requested_by, :process) RETURNING id
""")
_END: Final = text("UPDATE core_job_run SET status = :status, finished_at = :now, error = :error WHERE id = :run AND status = 'running'")
# What was seen at the claim is compared: a function that rolled back gave its claim away.
_SETTLE: Final = text("""
    UPDATE core_job SET next_run_at = :next, last_run_at = :now, failures = :failures, requested_by = NULL
    WHERE id = :id AND next_run_at = :seen RETURNING id
""")


@dataclass(frozen=True, slots=True)
class Due:
    """One job of one clinic whose moment has come, locked by the transaction that found it."""

    row: int
    module: str
    job: str
    clinic_id: UUID | None
    scheduled_for: datetime
    failures: int
    requested_by: UUID | None
    timezone: str

    @property
    def key(self) -> Key:
        return self.module, self.job


@dataclass(frozen=True, slots=True)
class Clinic:
    id: UUID
    timezone: str


async def clinics(session: AsyncSession) -> tuple[Clinic, ...]:
    """The clinics jobs run for."""
    return tuple(Clinic(row.id, row.timezone) for row in await session.execute(_CLINICS))


@dataclass(frozen=True, slots=True)
class Wanted:
    """A row there must be."""

    job: Job
    clinic_id: UUID | None
    timezone: str

    @property
    def key(self) -> tuple[str, str, UUID | None]:
        return self.job.module, self.job.id, self.clinic_id


def wanted(jobs: Iterable[Job], for_clinics: Sequence[Clinic]) -> list[Wanted]:
    """One row per job and clinic, or one for the tenant."""
    return [
        each
        for job in jobs
        for each in ([Wanted(job, clinic.id, clinic.timezone) for clinic in for_clinics] if job.per_clinic else [Wanted(job, None, "UTC")])
    ]


async def known(session: AsyncSession, modules: Sequence[str]) -> Mapping[tuple[str, str, UUID | None], tuple[int, str]]:
    """{(module, job, clinic): (row, definition)} of these modules."""
    rows = await session.execute(_KNOWN, {"modules": list(modules)})
    return {(row.module_name, row.job_id, row.clinic_id): (row.id, row.definition) for row in rows}


async def put(session: AsyncSession, each: Wanted, next_run: datetime | None, *, row: int | None) -> None:
    """Add the row, or bring the one there is to what the module says."""
    job = each.job
    values = {"name": job.name, "trigger": job.when[:400], "definition": job.definition(each.timezone), "next": next_run}
    if row is None:
        await session.execute(_ADD, {"module": job.module, "job": job.id, "clinic": each.clinic_id, **values})
    else:
        await session.execute(_CHANGE, {"id": row, **values})


async def drop(session: AsyncSession, rows: Iterable[int]) -> None:
    await session.execute(text("DELETE FROM core_job WHERE id = ANY(:rows)"), {"rows": list(rows)})


async def claim(session: AsyncSession, keys: Iterable[Key], now: datetime) -> Due | None:
    """Lock the job that is due longest, of these, until the transaction ends; those locked by others are passed over."""
    row = (await session.execute(_CLAIM, {**_names(keys), "now": now})).one_or_none()
    if row is None:
        return None
    return Due(row.id, row.module_name, row.job_id, row.clinic_id, row.next_run_at, row.failures, row.requested_by, row.timezone or "UTC")


async def next_due(session: AsyncSession, keys: Iterable[Key]) -> datetime | None:
    """When the next of these jobs is to run."""
    due: datetime | None = (await session.execute(_NEXT_DUE, _names(keys))).scalar_one()
    return due


async def next_wake(session: AsyncSession, keys: Iterable[Key]) -> datetime | None:
    """When a sleeping runtime has to wake for one of these jobs: each at most once in `WAKES_AT_MOST_EVERY`."""
    due: datetime | None = (await session.execute(_NEXT_WAKE, {**_names(keys), "pause": WAKES_AT_MOST_EVERY})).scalar_one()
    return due


async def begin_run(session: AsyncSession, due: Due, now: datetime, process: str) -> int:
    """Note that a run begins, and that one whose end nobody noted is lost: its claim would still be held otherwise."""
    await session.execute(_LOST, {"job": due.row, "now": now})
    values = {
        "job": due.row,
        "module": due.module,
        "id": due.job,
        "clinic": due.clinic_id,
        "attempt": due.failures + 1,
        "scheduled": due.scheduled_for,
        "now": now,
        "requested_by": due.requested_by,
        "process": process,
    }
    return int((await session.execute(_BEGIN, values)).scalar_one())


async def end_run(session: AsyncSession, run: int, status: RunStatus, now: datetime, error: str | None = None) -> None:
    await session.execute(_END, {"run": run, "status": status.value, "now": now, "error": error})


async def settle(session: AsyncSession, due: Due, now: datetime, next_run: datetime | None, *, failures: int) -> bool:
    """Write when it runs next; False if another process ran it meanwhile, and then nothing of this transaction may be kept."""
    values = {"id": due.row, "seen": due.scheduled_for, "now": now, "next": next_run, "failures": failures}
    return (await session.execute(_SETTLE, values)).one_or_none() is not None


def after_failure(failures: int, now: datetime, regular: datetime | None) -> tuple[datetime | None, int]:
    """(next moment, failures in a row): soon again with growing pauses, but not later than it would have run anyway."""
    if failures >= MAX_ATTEMPTS:
        return regular, 0
    again = now + min(FIRST_DELAY * 2 ** (failures - 1), LONGEST_DELAY)
    return (again if regular is None else min(again, regular)), failures


async def forget_jobs(connection: AsyncConnection | AsyncSession, module: str) -> int:
    """Take a module's jobs out of the books; part of the uninstall's transaction. Its runs stay until their retention ends."""
    gone = await connection.execute(text("DELETE FROM core_job WHERE module_name = :module RETURNING id"), {"module": module})
    return len(gone.all())


async def prune(session: AsyncSession, now: datetime) -> int:
    """Delete runs past their retention, and of each job all but the newest. Returns how many."""
    deleted = await session.execute(
        text("""
            DELETE FROM core_job_run WHERE status <> 'running' AND id IN (
                SELECT id FROM core_job_run WHERE started_at < :oldest
                UNION
                SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY job ORDER BY id DESC) AS place FROM core_job_run) ranked
                WHERE place > :kept
                LIMIT 10000
            ) RETURNING id
        """),
        {"oldest": now - RETENTION, "kept": RUNS_KEPT},
    )
    return len(deleted.all())


def _names(keys: Iterable[Key]) -> dict[str, Any]:
    pairs = list(keys)
    return {"modules": [module for module, _ in pairs], "jobs": [job for _, job in pairs]}

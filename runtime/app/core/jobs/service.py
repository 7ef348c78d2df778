"""What people see of jobs and ask for: the list, the runs, running one now, pausing it. Knows no HTTP and commits nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.core import clock

from .errors import JobOfTheTenant, JobRunning, JobUnknown
from .models import RunStatus
from .schedule import CHANNEL

Executor = AsyncConnection | AsyncSession

_COLUMNS: Final = """
    j.id, j.module_name AS module, j.job_id AS job, j.clinic_id, j.name, j.trigger, j.next_run_at, j.last_run_at, j.failures, j.paused,
    (SELECT r.status FROM core_job_run r WHERE r.job = j.id ORDER BY r.id DESC LIMIT 1) AS last_status
"""
_SEEN: Final = "(:everything OR j.clinic_id = :clinic OR j.clinic_id IS NULL)"
_LIST: Final = text(f"SELECT {_COLUMNS} FROM core_job j WHERE {_SEEN} ORDER BY j.module_name, j.job_id, j.clinic_id")
_THIS: Final = f"j.module_name = :module AND j.job_id = :job AND {_SEEN}"
_SOME: Final = text(f"SELECT {_COLUMNS} FROM core_job j WHERE {_THIS} ORDER BY j.clinic_id")
_RUNS: Final = text("""
    SELECT id, clinic_id, status, attempt, scheduled_for, started_at, finished_at, requested_by, process, error
    FROM core_job_run WHERE job = ANY(:rows) ORDER BY id DESC LIMIT :limit
""")
_LOCK: Final = text("SELECT id FROM core_job WHERE id = :row FOR UPDATE SKIP LOCKED")
_RUN_NOW: Final = text("UPDATE core_job SET next_run_at = :now, requested_by = :by, failures = 0 WHERE id = :row")
_PAUSE: Final = text("UPDATE core_job SET paused = :paused WHERE id = :row")
_NOTIFY: Final = text("SELECT pg_notify(:channel, '')")


@dataclass(frozen=True, slots=True)
class JobView:
    """One job in one clinic; of a job of the whole tenant, `clinic_id` is None."""

    id: int
    module: str
    job: str
    clinic_id: UUID | None
    name: str
    trigger: str
    next_run_at: datetime | None
    last_run_at: datetime | None
    failures: int
    paused: bool
    last_status: RunStatus | None


@dataclass(frozen=True, slots=True)
class RunView:
    id: int
    clinic_id: UUID | None
    status: RunStatus
    attempt: int
    scheduled_for: datetime
    started_at: datetime
    finished_at: datetime | None
    requested_by: UUID | None
    process: str
    error: str | None


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose jobs: those of a clinic and of the tenant, or of every clinic."""

    clinic_id: UUID | None = None
    everything: bool = False
    may_change_shared: bool = True
    """Whether this person may also run or pause what runs once for the whole tenant."""

    def values(self) -> dict[str, Any]:
        return {"clinic": self.clinic_id, "everything": self.everything}


ALL: Final = Scope(everything=True)


async def overview(db: Executor, scope: Scope) -> list[JobView]:
    return [_view(row) for row in await db.execute(_LIST, scope.values())]


async def find(db: Executor, scope: Scope, module: str, job: str) -> list[JobView]:
    """The job in each clinic of the scope. Raises JobUnknown."""
    found = [_view(row) for row in await db.execute(_SOME, {"module": module, "job": job, **scope.values()})]
    if not found:
        raise JobUnknown(module, job)
    return found


async def runs(db: Executor, scope: Scope, module: str, job: str, *, limit: int) -> Sequence[RunView]:
    """The newest first. Raises JobUnknown."""
    rows = [each.id for each in await find(db, scope, module, job)]
    found = await db.execute(_RUNS, {"rows": rows, "limit": limit})
    return [RunView(**{**row._mapping, "status": RunStatus(row.status)}) for row in found]


async def run_now(db: Executor, scope: Scope, module: str, job: str, *, by: UUID | None) -> list[JobView]:
    """Make it due at once; its regular moments go on from there. Raises JobUnknown, JobOfTheTenant, JobRunning."""
    now = clock.now()
    for row in await _lock(db, scope, module, job):
        await db.execute(_RUN_NOW, {"row": row, "now": now, "by": by})
    await db.execute(_NOTIFY, {"channel": CHANNEL})
    return await find(db, scope, module, job)


async def pause(db: Executor, scope: Scope, module: str, job: str, *, paused: bool) -> list[JobView]:
    """Leave it out from now on, or take it up again; what was missed meanwhile is made up for once. Raises as `run_now`."""
    for row in await _lock(db, scope, module, job):
        await db.execute(_PAUSE, {"row": row, "paused": paused})
    await db.execute(_NOTIFY, {"channel": CHANNEL})
    return await find(db, scope, module, job)


async def _lock(db: Executor, scope: Scope, module: str, job: str) -> list[int]:
    found = await find(db, scope, module, job)
    if not scope.may_change_shared and any(each.clinic_id is None for each in found):
        raise JobOfTheTenant(module, job)
    rows = [each.id for each in found]
    for row in rows:
        if (await db.execute(_LOCK, {"row": row})).one_or_none() is None:
            raise JobRunning(module, job)
    return rows


def _view(row: Any) -> JobView:
    values = dict(row._mapping)
    return JobView(**{**values, "last_status": RunStatus(values["last_status"]) if values["last_status"] else None})

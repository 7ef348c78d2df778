"""Running what is due: one transaction per run, in which the job works and its next moment is written.

What a job writes and the note that it ran commit together or not at all, so a killed run leaves nothing and is run again. Jobs are claimed
with SKIP LOCKED, so any number of processes may run them for one tenant. Only jobs of mounted modules are ever looked at.
"""

import asyncio
import logging
import os
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import clock, modes
from app.core.due_work import DueWork, LostClaim, describe
from app.core.events.dispatcher import PRUNE_INTERVAL
from app.core.observability.metrics import count_job
from app.core.observability.work import at_work
from app.core.plugins.registry import ModuleRegistry
from app.database import Database, UnitOfWork, commit, set_clinic
from dentalpin_kit import logs

from . import schedule
from .errors import JobInvalid
from .models import RunStatus
from .schedule import Clinic, Due, Key
from .scheduled import Job, JobContext
from .triggers import next_run

logger = logging.getLogger(__name__)

WORKERS: Final = 2
"""Runs at once in this process, so that a long one does not hold up the others."""
POLL_INTERVAL: Final = timedelta(seconds=60)
"""How long it may take at most to notice a new clinic, a module that was enabled, or what another process changed."""
_LIMITS: Final = text(
    "SELECT set_config('statement_timeout', :limit, true), set_config('idle_in_transaction_session_timeout', :limit, true)"
)
Jobs = Mapping[Key, Job]
Question = Callable[[AsyncSession, Iterable[Key]], Awaitable[datetime | None]]


class JobRunner:
    """Runs the jobs of the modules mounted in `registry`. One per process is enough; several are safe."""

    def __init__(self, database: Database, registry: ModuleRegistry, *, serving: Callable[[], bool] = lambda: True) -> None:
        """`serving`: whether the modules' tables are safe from removal at the moment; nothing is run while they are not."""
        self._database = database
        self._registry = registry
        self._serving = serving
        self._claiming = asyncio.Lock()
        self._running: Counter[Key] = Counter()
        self._due = DueWork("jobs are run", self.run_due, self._next_startable, poll=POLL_INTERVAL, now=clock.now)
        self._syncing = asyncio.Lock()
        self._synced: tuple[frozenset[Key], tuple[Clinic, ...]] | None = None
        self._met: set[str] = set()
        self._process = f"{socket.gethostname()[:60]}:{os.getpid()}"

    def _may_work(self) -> bool:
        return self._serving() and modes.allows("write")

    @property
    def busy(self) -> bool:
        """Whether a job is running here at the moment."""
        return any(self._running.values())

    def wake(self) -> None:
        """Look for due jobs now."""
        self._due.wake()

    async def run(self) -> None:
        """Run what becomes due until cancelled. A run that is cut off by this is rolled back and done again by the next process."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._prune(), name="jobs: prune")
            for number in range(WORKERS):
                tasks.create_task(self._due.work(), name=f"jobs: run {number}")

    async def run_due(self) -> int:
        """Run everything that is due; returns how many runs that took."""
        # Also where no module has a job any more: then those of yesterday are taken out, once.
        if self._jobs() or self._synced is None or self._synced[0]:
            await self.sync()
        runs = 0
        while await self._run_one():
            runs += 1
        return runs

    async def next_due(self) -> datetime | None:
        """When the next job runs (in the past: now), or None."""
        return await self._ask(schedule.next_due, self._jobs())

    async def next_wake(self) -> datetime | None:
        """When a process that leaves must be back for a job, or None. Jobs that run often count once an hour."""
        return await self._ask(schedule.next_wake, [key for key, job in self._jobs().items() if job.wakes])

    async def sync(self) -> None:
        """Bring the rows to what the mounted modules say, for every active clinic. Costs one query if nothing changed."""
        async with self._syncing, self._database.unit() as unit:
            jobs, clinics = self._jobs(), await schedule.clinics(unit.session)
            if (frozenset(jobs), clinics) == self._synced:
                return
            await self._bring(unit.session, jobs, clinics)
            await commit(unit)
            self._synced = (frozenset(jobs), clinics)
            self._met.update(module.name for module in self._registry.active)

    async def _bring(self, session: AsyncSession, jobs: Jobs, clinics: tuple[Clinic, ...]) -> None:
        """What a module says otherwise, or not any more, counts when this process first meets the module.

        Later it does not: beside this process another one may serve a later version of the module.
        """
        now = clock.now()
        zones = {clinic.id: clinic.timezone for clinic in (self._synced[1] if self._synced is not None else ())}
        rows = await schedule.known(session, [module.name for module in self._registry.active])
        wanted = {each.key: each for each in schedule.wanted(jobs.values(), clinics)}
        for key, each in wanted.items():
            row, definition = rows.get(key, (None, None))
            moved = each.clinic_id in zones and zones[each.clinic_id] != each.timezone
            if row is not None and (definition == each.job.definition(each.timezone) or (each.job.module in self._met and not moved)):
                continue
            try:
                await schedule.put(session, each, next_run(each.job, now, each.timezone), row=row)
            except JobInvalid as error:
                logger.error("%s", error)
        gone = [row for key, (row, _) in rows.items() if key not in wanted and (key[:2] in jobs or key[0] not in self._met)]
        await schedule.drop(session, gone)

    def _jobs(self) -> Jobs:
        return {job.key: job for module in self._registry.active for job in module.jobs}

    async def _ask(self, question: Question, jobs: Iterable[Key]) -> datetime | None:
        keys = list(jobs)
        if not keys or not self._may_work():
            return None
        async with self._database.unit() as unit:
            return await question(unit.session, keys)

    async def _run_one(self) -> bool:
        """Run one due job to its end; False if none is due, or all that are run elsewhere."""
        jobs = self._jobs()
        if not jobs or not self._may_work():
            return False
        due: Due | None = None
        run = 0
        try:
            async with self._database.unit() as unit:
                due = await self._claim(unit.session, jobs)
                if due is None:
                    return False
                run = await self._begin(due)
                await self._do(unit, jobs[due.key], due, run)
        except LostClaim:
            logger.info("%r was run by another process", due)
        except Exception as error:
            if due is None:
                raise
            await self._record_failure(jobs[due.key], due, run, describe(error))
        else:
            count_job(due.module, due.job, "done")
        finally:
            if due is not None:
                self._running[due.key] -= 1
        return True

    async def _claim(self, session: AsyncSession, jobs: Jobs) -> Due | None:
        # One after the other, so that no two see the same place free.
        async with self._claiming:
            free = [key for key, job in jobs.items() if self._running[key] < job.max_instances]
            due = await schedule.claim(session, free, clock.now()) if free else None
            if due is not None:
                self._running[due.key] += 1
            return due

    async def _begin(self, due: Due) -> int:
        async with self._database.unit() as unit:
            run = await schedule.begin_run(unit.session, due, clock.now(), self._process)
            await commit(unit)
        return run

    async def _do(self, unit: UnitOfWork, job: Job, due: Due, run: int) -> None:
        session, seconds = unit.session, job.timeout.total_seconds()
        await set_clinic(session, due.clinic_id)
        limit = str(int(seconds * 1000) + 1000)
        await session.execute(_LIMITS, {"limit": limit})
        own_logger = logging.getLogger(f"app.modules.{due.module}")
        async with asyncio.timeout(seconds):
            with at_work("job", module=due.module, clinic_id=due.clinic_id, job=due.job):
                await job.run(JobContext(session, due.clinic_id, due.module, due.job, due.scheduled_for, own_logger))
                await session.flush()
        # A job may have turned to another clinic; the books belong to this one.
        await set_clinic(session, due.clinic_id)
        now = clock.now()
        following = next_run(job, now, due.timezone, anchor=due.scheduled_for)
        if not await schedule.settle(session, due, now, following, failures=0):
            raise LostClaim
        await schedule.end_run(session, run, RunStatus.DONE, now)
        await commit(unit)

    async def _record_failure(self, job: Job, due: Due, run: int, error: str) -> None:
        now = clock.now()
        try:
            regular = next_run(job, now, due.timezone, anchor=due.scheduled_for)
        except JobInvalid:
            regular = None
        again, failures = schedule.after_failure(due.failures + 1, now, regular)
        async with self._database.unit() as unit:
            await schedule.settle(unit.session, due, now, again, failures=failures)
            await schedule.end_run(unit.session, run, RunStatus.FAILED, now, error)
            await commit(unit)
        count_job(due.module, due.job, "failed")
        with logs.bind(module=due.module, clinic=due.clinic_id, job=due.job):
            logger.warning("%r failed (attempt %d): %s", due, due.failures + 1, error)

    async def _next_startable(self) -> datetime | None:
        """When the next job is due that may run beside what runs here."""
        return await self._ask(schedule.next_due, [key for key, job in self._jobs().items() if self._running[key] < job.max_instances])

    async def _prune(self) -> None:
        while True:
            try:
                async with self._database.unit() as unit:
                    await schedule.prune(unit.session, clock.now())
                    await commit(unit)
            except Exception as error:
                logger.warning("old runs of jobs cannot be deleted at the moment: %s", describe(error))
            await asyncio.sleep(PRUNE_INTERVAL.total_seconds())

"""Scheduled jobs in tests: nothing runs by itself, `clock` says what is due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from app.core.jobs.runner import JobRunner

_RUNS = "SELECT job_id, clinic_id, status FROM core_job_run ORDER BY id"
_FAILED = "SELECT module_name, job_id, error FROM core_job_run WHERE status = 'failed' ORDER BY id"


class JobFailed(AssertionError):
    """A job raised; a serving runtime would try it again later."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """The scheduled jobs of the modules under test."""

    runner: JobRunner
    owner_url: str

    async def run_due(self, *, failures: bool = False) -> int:
        """Run everything that is due by `clock`; how many runs that took. Raises JobFailed unless `failures` are expected."""
        runs = await self.runner.run_due()
        failed = [] if failures else [f"{job} of {module}: {error}" for module, job, error in await self._fetch(_FAILED)]
        if failed:
            raise JobFailed("\n".join(failed))
        return runs

    async def runs(self) -> list[tuple[str, UUID | None, str]]:
        """(job, clinic, status) of every run."""
        return [(job, clinic, status) for job, clinic, status in await self._fetch(_RUNS)]

    async def _fetch(self, query: str) -> list[tuple[str, UUID | None, str]]:
        import asyncpg

        connection = await asyncpg.connect(self.owner_url)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

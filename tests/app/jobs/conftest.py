"""A tenant with two clinics, a module with jobs, a table for what they do, and a clock that stands still."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import Connection, text

from app.core import clock as clocks
from app.core.isolation import apply_policies
from app.core.jobs.runner import JobRunner
from app.core.plugins.base import BaseModule
from app.core.plugins.manifest import Manifest
from app.core.plugins.registry import ModuleRegistry, MountedModule
from app.database import Database
from tests.support.core import add_clinic, as_owner
from tests.support.postgres import TenantDatabase

# Monday, 7:00 in Madrid.
START = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


class StandingClock(clocks.SystemClock):
    moment = START

    def now(self) -> datetime:
        return self.moment

    def pass_(self, **time: float) -> None:
        self.moment += timedelta(**time)


@dataclass
class Clinics:
    tenant: TenantDatabase
    database: Database
    a: UUID
    b: UUID
    registry: ModuleRegistry
    clock: StandingClock

    def install(self, *jobs: Any, name: str = "recalls") -> None:
        class Module(BaseModule):
            manifest: ClassVar = {"name": name, "version": "1.0.0"}

            def get_scheduled_jobs(self):
                return list(jobs)

        self.registry.mount(MountedModule(Module(), Manifest.model_validate(Module.manifest)))

    @property
    def runner(self) -> JobRunner:
        return JobRunner(self.database, self.registry)

    async def rows(self, query: str, *arguments: Any) -> list[tuple]:
        connection = await asyncpg.connect(self.tenant.owner_url)
        try:
            return [tuple(row) for row in await connection.fetch(query, *arguments)]
        finally:
            await connection.close()

    async def effects(self) -> list[tuple]:
        return await self.rows("SELECT clinic_id, what FROM effects ORDER BY id")

    async def runs(self) -> list[tuple]:
        return await self.rows("SELECT job_id, clinic_id, status, attempt FROM core_job_run ORDER BY id")

    async def next_runs(self) -> list[datetime]:
        return [row[0] for row in await self.rows("SELECT next_run_at FROM core_job ORDER BY id")]


def _effects(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE effects (id bigint GENERATED ALWAYS AS IDENTITY, clinic_id uuid NOT NULL, what text NOT NULL)"))
    apply_policies(connection, ["effects"])


async def effect(db, clinic_id, what: str) -> None:
    await db.execute(text("INSERT INTO effects (clinic_id, what) VALUES (:clinic, :what)"), {"clinic": clinic_id, "what": what})


async def remind(db, clinic_id):
    await effect(db, clinic_id, "reminded")


@pytest.fixture
async def clinics(core_schema: TenantDatabase) -> AsyncIterator[Clinics]:
    as_owner(core_schema, _effects)
    database, clock = Database(core_schema.app_url), StandingClock()
    before = clocks.replace(clock)
    a, b = await add_clinic(core_schema, "Sol"), await add_clinic(core_schema, "Luna")
    yield Clinics(core_schema, database, a, b, ModuleRegistry(), clock)
    clocks.replace(before)
    await database.dispose()

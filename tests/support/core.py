"""A tenant's database with the core schema and its policies, and the few rows most tests need.

What it uses of the application is imported when a test needs it: this file is loaded for every test of the suite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.support.postgres import Postgres, TenantDatabase, database_from, in_fresh_loop, make_template

if TYPE_CHECKING:
    from sqlalchemy import Connection


def as_owner(database: TenantDatabase, work: Callable[[Connection], object]) -> None:
    """Run `work(connection)` in one transaction of the owner."""
    from sqlalchemy.ext.asyncio import create_async_engine

    from app.database import sqlalchemy_url

    async def run() -> None:
        engine = create_async_engine(sqlalchemy_url(database.owner_url))
        async with engine.begin() as connection:
            await connection.run_sync(work)
        await engine.dispose()

    in_fresh_loop(run)


def _migrate_core(database: TenantDatabase) -> None:
    from app.core.plugins.processor import Processor
    from app.core.plugins.registry import ModuleRegistry

    async def migrate() -> None:
        await Processor(database.owner_url, Path("/nonexistent"), registry=ModuleRegistry()).migrate_core()

    in_fresh_loop(migrate)


@pytest.fixture
def core_schema(postgres: Postgres) -> Iterator[TenantDatabase]:
    """A database with the core's tables and policies, copied from a template."""
    template = make_template(postgres, "template_core_schema", _migrate_core)
    with database_from(postgres, template) as database:
        yield database


async def add_clinic(database: TenantDatabase, name: str = "Clínica Sol") -> UUID:
    clinic = uuid4()
    connection = await asyncpg.connect(database.owner_url)
    await connection.execute(
        "INSERT INTO clinics (id, name, country, timezone, currency, locale) VALUES ($1, $2, 'ES', 'Europe/Madrid', 'EUR', 'es-ES')",
        clinic,
        name,
    )
    await connection.close()
    return clinic

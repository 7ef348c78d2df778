"""A tenant's database with the core schema and its policies, and the few rows most tests need."""

import importlib
from collections.abc import Iterator
from uuid import UUID, uuid4

import asyncpg
import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from app.core.isolation import CORE_EXEMPT, apply_policies
from app.database import sqlalchemy_url
from tests.support.postgres import Postgres, TenantDatabase, database_from, in_fresh_loop, make_template


def as_owner(database: TenantDatabase, work) -> None:
    """Run `work(connection)` in one transaction of the owner."""

    async def run() -> None:
        engine = create_async_engine(sqlalchemy_url(database.owner_url))
        async with engine.begin() as connection:
            await connection.run_sync(work)
        await engine.dispose()

    in_fresh_loop(run)


def _create_core(connection: Connection) -> None:
    context = MigrationContext.configure(connection)
    with Operations.context(context):
        importlib.import_module("app.migrations.versions.0001_core").upgrade()
    connection.execute(text("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES ('0001')"))
    apply_policies(connection, CORE_EXEMPT)


@pytest.fixture
def core_schema(postgres: Postgres) -> Iterator[TenantDatabase]:
    """A database with the core's tables and policies, copied from a template."""
    template = make_template(postgres, "template_core_schema", lambda database: as_owner(database, _create_core))
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

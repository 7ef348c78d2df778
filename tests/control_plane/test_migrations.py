"""The platform's schema is what its models say, and it guards what only a database can."""

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from control_plane.migrations import migrate
from control_plane.migrations.metadata import metadata


async def test_migrations_make_what_the_models_say(platform):
    def difference(connection):
        return compare_metadata(MigrationContext.configure(connection), metadata)

    async with platform.database.engine.connect() as connection:
        assert await connection.run_sync(difference) == []


async def test_migrating_twice_changes_nothing(platform_database):
    await migrate(platform_database.owner_url)
    await migrate(platform_database.owner_url)
    connection = await asyncpg.connect(platform_database.owner_url)
    assert await connection.fetchval("SELECT count(*) FROM state_transition") > 10
    await connection.close()


async def test_an_illegal_transition_cannot_be_written(client, platform):
    body = {"name": "Sol", "slug": "sol", "country": "ES", "owner_email": "ana@sol.example", "modules": []}
    await client.post("/v1/tenants", json=body)
    with pytest.raises(IntegrityError, match="may not go from provisioning to degraded"):
        async with platform.database.transaction() as session:
            await session.execute(text("UPDATE tenant SET state = 'degraded', state_reason = 'x'"))
    with pytest.raises(IntegrityError, match="may not go from queued to succeeded"):
        async with platform.database.transaction() as session:
            await session.execute(text("UPDATE operation SET state = 'succeeded'"))


@pytest.mark.parametrize("statement", ["UPDATE revision SET generation = 9", "DELETE FROM revision", "DELETE FROM audit_entry"])
async def test_history_cannot_be_rewritten(client, platform, statement):
    body = {"name": "Sol", "slug": "sol", "country": "ES", "owner_email": "ana@sol.example", "modules": []}
    await client.post("/v1/tenants", json=body)
    with pytest.raises(IntegrityError, match="never changed or deleted"):
        async with platform.database.transaction() as session:
            await session.execute(text(statement))

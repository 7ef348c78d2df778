"""Connections that ended while nobody used them are replaced before anybody notices, and those in use are not asked each time."""

from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from control_plane.database import TRUSTED_SECONDS, Database
from tests.support.postgres import TenantDatabase


async def _backend(database: Database) -> int:
    async with database.transaction() as session:
        return int(await session.scalar(text("SELECT pg_backend_pid()")) or 0)


async def test_a_connection_that_the_server_ended_is_replaced(migrated_database: TenantDatabase) -> None:
    database = Database(migrated_database.owner_url, pool_size=1)
    before = await _backend(database)
    admin = await asyncpg.connect(migrated_database.owner_url)
    await admin.execute("SELECT pg_terminate_backend($1)", before)
    while await admin.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", before):
        pass
    await admin.close()
    assert await _backend(database) != before
    await database.close()


@pytest.mark.parametrize(("trusted", "times"), [(TRUSTED_SECONDS, 0), (0.0, 2)])
async def test_only_a_connection_that_was_idle_for_long_is_asked_first(
    migrated_database: TenantDatabase, trusted: float, times: int
) -> None:
    database = Database(migrated_database.owner_url, pool_size=1, trusted_seconds=trusted)
    dialect, asked = database.engine.sync_engine.dialect, []
    ping = dialect.do_ping

    def counted(connection: Any) -> bool:
        asked.append(connection)
        return ping(connection)

    dialect.do_ping = counted  # type: ignore[method-assign]  # to count what it is asked
    before = await _backend(database)
    assert [await _backend(database), await _backend(database)] == [before, before]
    assert len(asked) == times
    await database.close()

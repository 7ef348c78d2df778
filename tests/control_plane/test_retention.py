"""Every table of the platform has a retention."""

from sqlalchemy import text

from control_plane.retention import KEPT


async def test_every_table_of_the_platform_says_how_long_it_is_kept(platform):
    async with platform.database.engine.connect() as connection:
        tables = set(await connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")))
    assert sorted(kept.table for kept in KEPT) == sorted(tables), "add the table to control_plane.retention, or take it out"

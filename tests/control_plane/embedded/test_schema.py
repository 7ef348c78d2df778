"""The platform's database is migrated when it has to be, and only then."""

import asyncpg

from control_plane.embedded import schema


async def test_a_fresh_database_is_migrated_and_remembers_it(platform_database, monkeypatch):
    await schema.bring_up(platform_database.owner_url)

    connection = await asyncpg.connect(platform_database.owner_url)
    assert await connection.fetchval("SELECT count(*) FROM tenant") == 0

    # With the memory in place nothing is imported or written any more.
    monkeypatch.setattr("control_plane.migrations.migrate", None)
    await schema.bring_up(platform_database.owner_url)
    await connection.close()


async def test_another_version_of_the_files_migrates_again(platform_database, monkeypatch):
    await schema.bring_up(platform_database.owner_url)
    monkeypatch.setattr(schema, "fingerprint", lambda: "another")

    await schema.bring_up(platform_database.owner_url)

    connection = await asyncpg.connect(platform_database.owner_url)
    assert await connection.fetchval("SELECT obj_description('alembic_version'::regclass)") == "another"
    await connection.close()

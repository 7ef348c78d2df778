import asyncio

import asyncpg
import pytest

from app.core.runtime.locks import ServingLocks
from dentalpin_kit import locks as keys


@pytest.fixture
async def owner(core_schema):
    connection = await asyncpg.connect(core_schema.owner_url)
    for name, state in [("patients", "installed"), ("agenda", "installed"), ("inventory", "to_remove")]:
        await connection.execute("INSERT INTO core_module (name, state) VALUES ($1, $2)", name, state)
    yield connection
    await connection.close()


@pytest.fixture
async def locks(core_schema, owner):
    held = ServingLocks(core_schema.app_url)
    yield held
    await held.release()


async def exclusive(connection, module):
    return await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", *keys.serving(module))


async def test_what_is_installed_is_locked_against_removal(owner, locks):
    state = await locks.take()

    assert state.mountable == {"patients", "agenda"}
    assert not await exclusive(owner, "patients")
    assert await exclusive(owner, "inventory")


async def test_two_processes_share_the_locks(core_schema, owner, locks):
    await locks.take()
    second = ServingLocks(core_schema.app_url)

    assert (await second.take()).mountable == {"patients", "agenda"}
    await second.release()


async def test_a_module_that_is_being_removed_is_not_mounted(owner, locks):
    assert await exclusive(owner, "agenda")

    state = await locks.take()

    assert state.installed == {"patients", "agenda"}
    assert state.mountable == {"patients"}


async def test_leaving_gives_the_locks_back(owner, locks):
    await locks.take()
    await locks.release()

    assert await exclusive(owner, "patients")


async def test_a_lost_connection_is_noticed_at_once_and_the_locks_are_retaken(postgres, core_schema, owner, locks):
    await locks.take()
    events = asyncio.Queue()
    watch = asyncio.create_task(
        locks.watch(lost=lambda: events.put_nowait("lost"), retaken=events.put_nowait, seen=lambda state: events.put_nowait("seen"))
    )
    await owner.execute("UPDATE core_module SET state = 'to_remove' WHERE name = 'agenda'")
    superuser = await asyncpg.connect(postgres.superuser_url)
    serving = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dentalpin serving' AND datname = $1"
    await superuser.execute(serving, await owner.fetchval("SELECT current_database()"))

    assert await asyncio.wait_for(events.get(), 30) == "lost"
    state = await asyncio.wait_for(events.get(), 30)

    assert state.mountable == {"patients"}
    assert locks.held
    assert await exclusive(owner, "agenda")
    watch.cancel()
    await superuser.close()

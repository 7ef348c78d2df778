"""The running dispatcher: woken by this process, by others, and by time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from app.core import due_work
from app.core.events import dispatcher as module
from app.core.events import event_bus

from .conftest import effect


class Watched(module.Dispatcher):
    on_wake = staticmethod(lambda: None)

    def wake(self) -> None:
        super().wake()
        self.on_wake()


@asynccontextmanager
async def running(clinic, on_wake=None) -> AsyncIterator[None]:
    dispatcher = Watched(clinic.database, clinic.registry)
    if on_wake is not None:
        dispatcher.on_wake = on_wake
    task = asyncio.create_task(dispatcher.run())
    try:
        async with asyncio.timeout(60):
            yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def heard(clinic):
    done = asyncio.Event()

    async def handler(db, data):
        await effect(db, data, "consumed")
        done.set()

    clinic.install("inventory", {"appointment.completed": handler})
    return done


async def test_a_commit_in_this_process_wakes_it(clinic, heard):
    async with running(clinic):
        await clinic.complete()
        await heard.wait()


async def test_a_commit_in_another_process_wakes_it(clinic, heard):
    listening = asyncio.Event()
    async with running(clinic, on_wake=listening.set):
        # The first thing it wakes for is that it listens.
        await listening.wait()
        # What the other process does: its bus has no dispatcher, so the database tells.
        wakes, event_bus._committed = event_bus._committed, []
        await clinic.complete()
        event_bus._committed = wakes
        await heard.wait()


async def test_a_retry_comes_when_it_is_due_without_being_woken(clinic, monkeypatch):
    monkeypatch.setattr(module.outbox, "FIRST_DELAY", timedelta(milliseconds=50))
    done, tries = asyncio.Event(), []

    async def handler(data):
        tries.append(data)
        if len(tries) == 1:
            raise ValueError
        done.set()

    clinic.install("inventory", {"appointment.completed": handler})
    async with running(clinic):
        await clinic.complete()
        await done.wait()

    assert len(tries) == 2


async def test_a_handler_without_an_end_is_given_up(clinic, monkeypatch):
    monkeypatch.setattr(module, "HANDLER_TIMEOUT", timedelta(milliseconds=20))

    async def endless(db, data):
        await asyncio.Event().wait()

    clinic.install("inventory", {"appointment.completed": endless})
    await clinic.complete()

    assert await clinic.dispatcher.drain() == 1
    assert (await clinic.rows("SELECT last_error FROM core_event_delivery"))[0][0].startswith("TimeoutError")


async def test_a_slow_handler_does_not_hold_up_others(clinic, heard):
    release = asyncio.Event()

    async def slow(data):
        await release.wait()

    clinic.install("slow", {"patient.created": slow})
    async with running(clinic):
        await clinic.publish("patient.created", patient_id="11111111-1111-1111-1111-111111111111")
        await clinic.complete()
        await heard.wait()
        release.set()


async def test_it_goes_on_after_the_database_was_away(clinic, heard, postgres, monkeypatch):
    monkeypatch.setattr(due_work, "OUTAGE_PAUSE", timedelta(milliseconds=20))
    async with running(clinic):
        administrator = await asyncpg.connect(postgres.superuser_url)
        await administrator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", clinic.tenant.name)
        await administrator.close()
        while not heard.is_set():
            with suppress(DBAPIError, asyncpg.InternalClientError):
                await clinic.complete()
                await heard.wait()


async def test_it_listens_again_after_its_connection_ended_while_it_was_set_up(clinic, monkeypatch):
    add_listener = asyncpg.Connection.add_listener
    torn, listening = asyncio.Event(), asyncio.Event()

    async def ends_the_first_time(connection, *arguments):
        if not torn.is_set():
            torn.set()
            raise asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")
        await add_listener(connection, *arguments)
        listening.set()

    monkeypatch.setattr(asyncpg.Connection, "add_listener", ends_the_first_time)
    async with running(clinic):
        await listening.wait()

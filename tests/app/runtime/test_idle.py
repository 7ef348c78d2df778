from datetime import UTC, datetime, timedelta

import pytest

from app.core.runtime.idle import IdleWatch, earliest

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Readings:
    connections = 0
    requests = 0
    working = False
    due = None

    async def next_due(self):
        return self.due


@pytest.fixture
def readings():
    return Readings()


@pytest.fixture
def watch(readings):
    return IdleWatch(
        after=30,
        connections=lambda: readings.connections,
        requests=lambda: readings.requests,
        working=lambda: readings.working,
        next_due=readings.next_due,
        now=lambda: NOW,
    )


async def test_a_process_without_work_is_idle_after_its_time(watch):
    assert [await watch.idle_at(moment) for moment in (100, 110, 129, 130)] == [False, False, False, True]


async def test_a_request_starts_the_time_again(watch, readings):
    await watch.idle_at(100)
    readings.requests = 1
    await watch.idle_at(120)

    assert not await watch.idle_at(140)
    assert await watch.idle_at(150)


@pytest.mark.parametrize(("reading", "value"), [("connections", 1), ("working", True)])
async def test_an_open_connection_or_work_keeps_it(watch, readings, reading, value):
    await watch.idle_at(100)
    setattr(readings, reading, value)

    assert not await watch.idle_at(200)
    setattr(readings, reading, type(value)())
    assert not await watch.idle_at(229)
    assert await watch.idle_at(230)


async def test_a_delivery_that_is_due_soon_is_waited_for(watch, readings):
    await watch.idle_at(100)
    readings.due = NOW + timedelta(seconds=1)

    assert not await watch.idle_at(130)
    readings.due = NOW + timedelta(hours=1)
    assert await watch.idle_at(160)


async def test_the_first_of_what_is_due_counts_whoever_says_so():
    async def nothing():
        return None

    async def in_an_hour():
        return NOW + timedelta(hours=1)

    async def in_a_minute():
        return NOW + timedelta(minutes=1)

    assert await earliest(nothing, in_an_hour, in_a_minute) == NOW + timedelta(minutes=1)
    assert await earliest(nothing) is None

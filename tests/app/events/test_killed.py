"""What a killed process published before its commit never was; what it committed is delivered by the next one, once."""

import asyncio
import sys
from pathlib import Path

import pytest

from .conftest import effect

PROGRAM = Path(__file__).with_name("publishing_program.py")
HANDLER = "__main__.consume"


async def consume(db, data):
    await effect(db, data, "by the next one")


# The name under which the killed process knew it.
consume.__module__, consume.__qualname__ = "__main__", "consume"


async def killed(clinic, mode: str, after: str) -> None:
    """Run the program until it says so, and kill it that very moment."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), mode, clinic.tenant.app_url, str(clinic.id), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(120):
        assert (await process.stdout.readline()).decode().strip() == after
        process.kill()
        await process.wait()


@pytest.mark.parametrize(("mode", "delivered"), [("commit", 1), ("hold", 0)])
async def test_a_publisher_killed_after_or_before_its_commit(clinic, mode, delivered):
    clinic.install("inventory", {"appointment.completed": consume})

    await killed(clinic, mode, "published")

    assert await clinic.dispatcher.drain() == delivered
    assert await clinic.effects() == ["by the next one"] * delivered


async def test_a_process_killed_while_it_delivers_has_done_nothing(clinic):
    clinic.install("inventory", {"appointment.completed": consume})
    await clinic.complete()

    await killed(clinic, "deliver", "handling")
    # Waits until PostgreSQL has noticed, and with it rolled back.
    await clinic.rows("SELECT 1 FROM core_event_delivery FOR UPDATE")
    await clinic.dispatcher.drain()

    assert await clinic.effects() == ["by the next one"]
    assert await clinic.deliveries() == [("inventory", "done", 1)]

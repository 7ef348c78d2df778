"""Claiming a pass that is due, running it under a lease that is renewed, and recording how it went."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.operations.backoff import delay_after
from control_plane.operations.progress import because_of
from control_plane.operations.steps.base import Tools
from control_plane.passes import PASSES, Pass
from control_plane.passes.models import PeriodicPass
from dentalpin_kit import faults, logs

LONGEST_PAUSE: Final = timedelta(seconds=5)
HELD_PAUSE: Final = timedelta(seconds=1)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Claimed:
    periodic: Pass
    fence: int


async def run_due(tools: Tools, owner: str, *, passes: Sequence[Pass] = PASSES) -> bool:
    """Run every pass that is due and nobody runs, one after the other. False when none was."""
    platform, some = tools.platform, False
    for periodic in passes:
        async with platform.database.transaction() as session:
            claimed = await _claim(session, periodic, owner, now=platform.clock.now(), seconds=platform.settings.lease_seconds)
        if claimed is not None:
            some = True
            await _run(tools, claimed)
    return some


async def make_due(tools: Tools, name: str) -> None:
    """Let a pass be run at the next look, whatever its time."""
    async with tools.platform.database.transaction() as session:
        await _ensure(session, name, now=tools.platform.clock.now())
        await session.execute(update(PeriodicPass).where(PeriodicPass.name == name).values(due_at=tools.platform.clock.now()))


async def pause(tools: Tools, periodic: Pass) -> float:
    """Seconds until a pass is due, and not more than a few: its time may be changed, and its holder may die."""
    async with tools.platform.database.transaction() as session:
        due = await session.scalar(select(PeriodicPass.due_at).where(PeriodicPass.name == periodic.name))
    longest = LONGEST_PAUSE.total_seconds()
    left = longest if due is None else (due - tools.platform.clock.now()).total_seconds()
    # What is due and could not be had is in another worker's hands.
    return HELD_PAUSE.total_seconds() if left <= 0 else min(longest, max(0.2, left))


async def _ensure(session: AsyncSession, name: str, *, now: datetime) -> None:
    await session.execute(insert(PeriodicPass).values(name=name, due_at=now).on_conflict_do_nothing())


async def _claim(session: AsyncSession, periodic: Pass, owner: str, *, now: datetime, seconds: float) -> Claimed | None:
    if await session.get(PeriodicPass, periodic.name) is None:
        await _ensure(session, periodic.name, now=now)
    free = or_(PeriodicPass.until.is_(None), PeriodicPass.until < func.clock_timestamp())
    due = (
        select(PeriodicPass.name)
        .where(PeriodicPass.name == periodic.name, PeriodicPass.due_at <= now, free)
        .with_for_update(skip_locked=True)
    )
    if await session.scalar(due) is None:
        return None
    values: dict[str, Any] = {"owner": owner, "fence": PeriodicPass.fence + 1, "until": _until(seconds), "started_at": now}
    taken = update(PeriodicPass).where(PeriodicPass.name == periodic.name).values(**values).returning(PeriodicPass.fence)
    return Claimed(periodic, (await session.scalars(taken)).one())


def _until(seconds: float) -> Any:
    return func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)


async def _run(tools: Tools, claimed: Claimed) -> None:
    """Run it while the lease is renewed; a lease that cannot be ends the run, before another worker may begin one."""
    periodic = claimed.periodic
    with logs.bind(**{"pass": periodic.name}):
        running = asyncio.ensure_future(_carry_out(tools, periodic))
        beating = asyncio.create_task(_beat(tools, claimed, running), name="heartbeat")
        error: BaseException | None = None
        try:
            await running
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            log.warning("gave up the pass: its lease could not be renewed")
            return
        except Exception as raised:
            log.exception("the pass failed and is tried again")
            error = raised
        finally:
            beating.cancel()
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await running
            await _release(tools, claimed)
        await _record(tools, claimed, error)


async def _carry_out(tools: Tools, periodic: Pass) -> None:
    faults.point(f"pass.{periodic.name}.before")
    async with asyncio.timeout(periodic.patience.total_seconds()):
        await periodic.run(tools)
    faults.point(f"pass.{periodic.name}.after")


async def _beat(tools: Tools, claimed: Claimed, running: "asyncio.Future[None]") -> None:
    seconds = tools.platform.settings.lease_seconds
    loop = asyncio.get_running_loop()
    renewed = loop.time()
    while True:
        await asyncio.sleep(seconds / 3)
        try:
            async with asyncio.timeout(seconds / 3), tools.platform.database.transaction() as session:
                alive = await session.scalar(_mine(claimed).values(until=_until(seconds)).returning(PeriodicPass.fence))
        except Exception as error:
            log.warning("the lease of the pass could not be renewed: %s", error)
            alive = claimed.fence if loop.time() - renewed <= seconds * 2 / 3 else None
        else:
            renewed = loop.time()
        if alive is None:
            running.cancel()
            return


def _mine(claimed: Claimed) -> Any:
    return update(PeriodicPass).where(PeriodicPass.name == claimed.periodic.name, PeriodicPass.fence == claimed.fence)


async def _release(tools: Tools, claimed: Claimed) -> None:
    with contextlib.suppress(Exception):
        async with tools.platform.database.transaction() as session:
            await session.execute(_mine(claimed).values(owner=None, until=None))


async def _record(tools: Tools, claimed: Claimed, error: BaseException | None) -> None:
    now, periodic = tools.platform.clock.now(), claimed.periodic
    async with tools.platform.database.transaction() as session:
        row = await session.get_one(PeriodicPass, periodic.name, with_for_update=True)
        if row.fence != claimed.fence:
            return
        row.owner, row.until = None, None
        if error is None:
            row.due_at, row.finished_at = now + periodic.every, now
            row.failures, row.failing_since, row.reason = 0, None, None
        else:
            row.failures, row.failing_since = row.failures + 1, row.failing_since or now
            row.reason, row.due_at = because_of(error).reason, now + min(periodic.every, delay_after(row.failures))

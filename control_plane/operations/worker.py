"""The worker: claims tenants that have work, carries out one step after the other, and compares desired with observed.

Any number of workers may run. None trusts an event: notices only make it look sooner.
"""

import asyncio
import contextlib
import logging
import os
import random
import secrets
import socket
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import func, select, update
from sqlalchemy.exc import SQLAlchemyError

from control_plane.databases.base import DatabaseServer
from control_plane.errors import DomainError
from control_plane.notices import Notices
from control_plane.operations import progress
from control_plane.operations.kinds import STEP_KINDS, StepName
from control_plane.operations.leases import Held, LeaseLost, claim_operation, claim_tenant, extend, release
from control_plane.operations.models import Lease, Operation
from control_plane.operations.reconciling import reconcile
from control_plane.operations.states import OPEN
from control_plane.operations.steps import STEPS, Outcome, Tools, Work
from control_plane.passes import PASSES, Pass
from control_plane.passes import running as passes
from control_plane.platform import Platform
from dentalpin_kit import faults, logs, tracing

LONGEST_PAUSE_SECONDS = 2.0
"""How long a worker trusts that nobody needs it: leases of dead workers end without a notice."""
_DATABASE_AWAY = (SQLAlchemyError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

_random = random.SystemRandom()

log = logging.getLogger(__name__)


class Worker:
    def __init__(self, platform: Platform, databases: DatabaseServer, *, name: str | None = None) -> None:
        self.name = name or f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self._platform = platform
        self._tools = Tools(platform, databases)
        self._settings = platform.settings
        self._reapplied: set[UUID] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then what is at work is cut short and left for the next worker."""
        await self._look_at_everybody(stop)
        async with Notices(self._platform.database.url) as notices, asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(self._slot(notices, number), name=f"slot {number}") for number in range(self._settings.worker_slots)
            ]
            running += [tasks.create_task(self._repeat(one), name=f"pass {one.name}") for one in PASSES]
            await stop.wait()
            for task in running:
                task.cancel()

    async def drain(self) -> None:
        """Do everything that is due now, one after the other; for tests and for a last effort before leaving."""
        while await self.work_once():
            pass

    async def work_once(self) -> bool:
        """Claim one tenant and work on it as far as it goes now. False when nothing was due."""
        if (claim := await self._claim_operation()) is not None:
            held, operation_id = claim
            await self._under_lease(held, self._operate(held, operation_id))
            return True
        return False

    async def reconcile_once(self) -> bool:
        """Compare desired with observed for one tenant that is due. False when none was."""
        now = self._platform.clock.now()
        again = now + self._jittered()
        async with self._platform.database.transaction() as session:
            held = await claim_tenant(session, self.name, seconds=self._settings.lease_seconds, now=now, again=again)
        if held is None:
            return False
        await self._under_lease(held, self._reconcile(held))
        return True

    async def run_passes(self, *names: str) -> None:
        """Run the periodic passes that are due; those named, whatever their time. For tests."""
        for name in names:
            await passes.make_due(self._tools, name)
        wanted = [one for one in PASSES if not names or one.name in names]
        await passes.run_due(self._tools, self.name, passes=wanted)

    async def _slot(self, notices: Notices, number: int) -> None:
        """Work whenever there is some. Every slot hears of new work; of those that have none, the first looks by itself most often."""
        async with notices.subscribe() as changed:
            while True:
                changed.clear()
                looked_at = self._platform.clock.now()
                try:
                    if await self.work_once() or await self.reconcile_once():
                        continue
                    pause = await self._pause(looked_at, longest=LONGEST_PAUSE_SECONDS * (1 + 2 * number))
                except _DATABASE_AWAY as error:
                    log.warning("the platform's database does not answer: %s", error)
                    pause = 1.0
                except Exception:
                    log.exception("a slot of the worker failed and goes on")
                    pause = 1.0
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await changed.wait()

    async def _claim_operation(self) -> tuple[Held, UUID] | None:
        async with self._platform.database.transaction() as session:
            return await claim_operation(session, self.name, seconds=self._settings.lease_seconds, now=self._platform.clock.now())

    async def _under_lease(self, held: Held, work: Coroutine[Any, Any, None]) -> None:
        """Do the work while the lease is renewed; a lease that is lost ends the work. Given back at the end, also when cut short."""
        task = asyncio.ensure_future(work)
        beating = asyncio.create_task(self._beat(held, task), name="heartbeat")
        try:
            await task
        except LeaseLost:
            log.warning("lost the lease of tenant %s; another worker goes on", held.tenant_id)
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            log.warning("gave up tenant %s: its lease could not be renewed", held.tenant_id)
        finally:
            beating.cancel()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
            await self._give_back(held)

    async def _give_back(self, held: Held) -> None:
        with contextlib.suppress(*_DATABASE_AWAY):
            async with self._platform.database.transaction() as session:
                await release(session, held)

    async def _beat(self, held: Held, work: "asyncio.Future[None]") -> None:
        seconds = self._settings.lease_seconds
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        while True:
            await asyncio.sleep(seconds / 3)
            try:
                async with asyncio.timeout(seconds / 3), self._platform.database.transaction() as session:
                    await extend(session, held, seconds=seconds)
                renewed = loop.time()
            except LeaseLost:
                work.cancel()
                return
            except _DATABASE_AWAY:
                if loop.time() - renewed > seconds * 2 / 3:
                    work.cancel()
                    return

    async def _operate(self, held: Held, operation_id: UUID) -> None:
        """Carry out steps until the operation is over or has to wait."""
        database, clock = self._platform.database, self._platform.clock
        while True:
            async with database.transaction() as session:
                begun = await progress.begin(session, held, operation_id, at=clock.now())
            if begun is None:
                return
            name, work = begun
            about = {"operation": operation_id, "kind": work.kind.value, "step": name.value}
            with logs.bind(tenant=work.placement.slug, **about), tracing.span(f"{work.kind.value} {name.value}") as span:
                span.set(tenant=work.placement.tenant_id, **about)
                try:
                    outcome = await self._attempt(name, work)
                except asyncio.CancelledError:
                    raise
                except Exception as error:
                    expected = isinstance(error, DomainError | TimeoutError)
                    tracing.failed(span, type(error).__qualname__)
                    log.log(
                        logging.INFO if expected else logging.ERROR,
                        "%s",
                        progress.because_of(error).reason,
                        exc_info=None if expected else error,
                    )
                    async with database.transaction() as session:
                        await progress.fail(session, held, operation_id, name, error, at=clock.now())
                    return
                async with database.transaction() as session:
                    await progress.finish(session, held, operation_id, name, outcome, at=clock.now())

    async def _attempt(self, name: StepName, work: Work) -> Outcome:
        point = f"worker.{work.kind.value}.{name.value}"
        faults.point(f"{point}.before")
        async with asyncio.timeout(STEP_KINDS[name].patience.total_seconds()):
            outcome = await STEPS[name].run(work, await self._tools.placed(work))
        faults.point(f"{point}.after")
        return outcome

    async def _reconcile(self, held: Held) -> None:
        with logs.bind(tenant=held.tenant_id):
            await reconcile(self._tools, held, reapply=held.tenant_id not in self._reapplied)
            self._reapplied.add(held.tenant_id)

    async def _look_at_everybody(self, stop: asyncio.Event) -> None:
        """A worker that starts may find everything changed: addresses, ports, what runs."""
        while not stop.is_set():
            try:
                async with self._platform.database.transaction() as session:
                    await session.execute(update(Lease).values(reconcile_at=self._platform.clock.now()))
            except _DATABASE_AWAY as error:
                log.warning("the platform's database does not answer yet: %s", error)
                await asyncio.sleep(1.0)
            else:
                return

    def _jittered(self) -> timedelta:
        return timedelta(seconds=self._settings.reconcile_seconds * _random.uniform(0.8, 1.2))

    async def _pause(self, looked_at: datetime, *, longest: float) -> float:
        """Seconds until the next attempt is due. What was due already and could not be had is in another's hands, who gives notice."""
        coming = select(func.min(Operation.next_attempt_at)).where(Operation.state.in_(OPEN), Operation.next_attempt_at > looked_at)
        async with self._platform.database.transaction() as session:
            next_attempt = await session.scalar(coming)
        if next_attempt is None:
            return longest
        return min(longest, max(0.05, (next_attempt - self._platform.clock.now()).total_seconds()))

    async def _repeat(self, periodic: Pass) -> None:
        """Run a pass whenever it is due and nobody else does. Each has a loop of its own: a long one keeps no other waiting."""
        while True:
            try:
                await passes.run_due(self._tools, self.name, passes=(periodic,))
                pause = await passes.pause(self._tools, periodic)
            except _DATABASE_AWAY as error:
                log.warning("the pass %s is put off: %s", periodic.name, error)
                pause = 1.0
            except Exception:
                log.exception("the loop of the pass %s failed and goes on", periodic.name)
                pause = 1.0
            await asyncio.sleep(pause)

"""Delivery: one transaction per (event, handler), in which the handler works and its delivery is marked.

What a handler writes and the mark that it was done commit together or not at all, so a handler's effects in the database happen exactly
once however often the process is killed. Work is claimed with SKIP LOCKED, so any number of processes may dispatch for one tenant.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from app.core import due_work, modes
from app.core.due_work import LostClaim, describe
from app.core.observability.metrics import count_delivery
from app.core.observability.work import at_work
from app.core.plugins.registry import ModuleRegistry
from app.database import Database, DatabaseUnavailable, commit, set_clinic
from dentalpin_kit import logs

from . import outbox
from .bus import CHANNEL, EventBus, event_bus
from .handlers import Subscription
from .outbox import Delivery

logger = logging.getLogger(__name__)

HANDLER_TIMEOUT = timedelta(minutes=2)
POLL_INTERVAL = timedelta(seconds=30)
"""How long a delivery may wait at most where nothing wakes the dispatcher."""
PRUNE_INTERVAL = timedelta(hours=6)
WORKERS = 2
"""Deliveries at once, so that a slow handler does not hold up the others."""


class Dispatcher:
    """Delivers what is due to the handlers of the modules mounted in `registry`. One per process is enough; several are safe."""

    def __init__(
        self,
        database: Database,
        registry: ModuleRegistry,
        *,
        bus: EventBus = event_bus,
        on_notify: Mapping[str, Callable[[], None]] | None = None,
        serving: Callable[[], bool] = lambda: True,
    ) -> None:
        """`on_notify`: what to do when somebody notifies on another channel, since a connection listens anyway.

        `serving`: whether the modules' tables are safe from removal at the moment; nothing is delivered while they are not.
        """
        self._serving = serving
        self._database = database
        self._registry = registry
        self._bus = bus
        self._on_notify = {CHANNEL: self.wake, **(on_notify or {})}
        self._due = due_work.DueWork("events are delivered", self.drain, self.next_due, poll=POLL_INTERVAL, now=lambda: datetime.now(UTC))

    def wake(self) -> None:
        """Look for due deliveries now."""
        self._due.wake()

    async def run(self) -> None:
        """Deliver until cancelled. A delivery that is cut off by this is rolled back and delivered by the next dispatcher."""
        stop_hearing = self._bus.on_commit(self.wake)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(), name="events: listen")
                tasks.create_task(self._prune(), name="events: prune")
                for number in range(WORKERS):
                    tasks.create_task(self._due.work(), name=f"events: deliver {number}")
        finally:
            stop_hearing()

    async def drain(self) -> int:
        """Deliver everything that is due, what handlers publish included; returns how many attempts that took."""
        attempts = 0
        while await self.deliver_one():
            attempts += 1
        return attempts

    async def next_due(self) -> datetime | None:
        """When there is something to deliver (in the past: now), or None. For deciding whether the process may leave, and when to wake."""
        if not self._may_work():
            return None
        async with self._database.unit() as unit:
            return await outbox.next_due(unit.session, self._modules)

    def _may_work(self) -> bool:
        return self._serving() and modes.allows("write")

    @property
    def _modules(self) -> list[str]:
        return self._bus.listening_modules(self._registry)

    async def deliver_one(self) -> bool:
        """Try one due delivery to its end; False if none is due. Where the clinic's mode lets modules change nothing, deliveries wait."""
        if not self._may_work():
            return False
        delivery: Delivery | None = None
        try:
            async with self._database.unit() as unit:
                delivery = await outbox.claim(unit.session, self._modules)
                if delivery is None:
                    return False
                subscription = self._subscription(delivery)
                if subscription is not None:
                    await set_clinic(unit.session, delivery.clinic_id)
                    with at_work("event", module=delivery.module, clinic_id=delivery.clinic_id, event=delivery.event):
                        async with asyncio.timeout(HANDLER_TIMEOUT.total_seconds()):
                            await subscription.invoke(unit.session, delivery.payload)
                            await unit.session.flush()
                    # A handler may have turned to another clinic; the mark belongs to this one.
                    await set_clinic(unit.session, delivery.clinic_id)
                    if not await outbox.mark_done(unit.session, delivery):
                        raise LostClaim
                    await commit(unit)
                    count_delivery(delivery.module, delivery.event, "done")
                    return True
        except LostClaim:
            logger.info("%r was delivered by another process", delivery)
            return True
        except Exception as error:
            if delivery is None:
                raise
            await self._record_failure(delivery, describe(error))
            return True
        await self._record_failure(delivery, f"{delivery.module} does not have this handler any more", final=True)
        return True

    def _subscription(self, delivery: Delivery) -> Subscription | None:
        for each in self._bus.subscriptions(delivery.event, self._registry):
            if (each.module, each.name) == (delivery.module, delivery.handler):
                return each
        return None

    async def _record_failure(self, delivery: Delivery, error: str, *, final: bool = False) -> None:
        async with self._database.unit() as unit:
            dead = await outbox.mark_failed(unit.session, delivery, error, final=final)
            await commit(unit)
        count_delivery(delivery.module, delivery.event, "dead" if dead else "failed")
        with logs.bind(module=delivery.module, clinic=delivery.clinic_id, event=delivery.event):
            logger.log(
                logging.ERROR if dead else logging.WARNING,
                "%r failed (attempt %d%s): %s",
                delivery,
                delivery.attempts + 1,
                ", given up" if dead else "",
                error,
            )

    async def _listen(self) -> None:
        """Wake on NOTIFY by other processes, on a connection of its own; while there is none, polling goes on."""
        while True:
            try:
                connection = await self._database.connect()
            except (DatabaseUnavailable, TimeoutError):
                await asyncio.sleep(due_work.OUTAGE_PAUSE.total_seconds())
                continue
            closed = asyncio.Event()
            connection.add_termination_listener(lambda _, closed=closed: closed.set())
            try:
                for channel, act in self._on_notify.items():
                    await connection.add_listener(channel, lambda *_, act=act: act())
                    # What happened before we listened.
                    act()
                await closed.wait()
            except Exception as error:
                # The loop's outer edge: a connection that ends while it is set up fails in ways the driver does not name.
                logger.warning("notices are not heard for now: %s", describe(error))
                await asyncio.sleep(1)
            finally:
                connection.terminate()

    async def _prune(self) -> None:
        while True:
            try:
                async with self._database.unit() as unit:
                    await outbox.prune(unit.session)
                    await commit(unit)
            except Exception as error:
                logger.warning("old events cannot be deleted at the moment: %s", describe(error))
            await asyncio.sleep(PRUNE_INTERVAL.total_seconds())

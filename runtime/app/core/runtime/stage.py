"""The serving stage: the process after `execve`, without the owner's credentials. Locks, state, mount, serve, drain, leave.

The last step of `dentalpin serve`. It ends by SIGTERM (drain), by being idle, or by asking for its own replacement.
"""

import asyncio
import gc
import logging
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp

from app import database
from app.config import Settings
from app.core import modes
from app.core.copies import copy as copies
from app.core.demos import demo as demos
from app.core.isolation import refuse_bypass
from app.core.limits import limits
from app.core.plugins.books import MODULES_CHANNEL
from app.core.plugins.registry import ModuleRegistry, module_registry
from app.core.runtime import process
from app.core.runtime.child import wait_for_child
from app.core.runtime.errors import SettingMissing
from app.core.runtime.fingerprint import SETTLED
from app.core.runtime.forwarded import Forwarded
from app.core.runtime.gate import Gate
from app.core.runtime.idle import IdleWatch, earliest
from app.core.runtime.locks import ServedState, ServingLocks
from app.core.runtime.mount import mount
from app.core.runtime.process import ServingProcess
from app.core.runtime.server import RuntimeServer
from app.core.runtime.sockets import control_socket, public_socket
from app.core.runtime.status import StatusChannel
from app.core.standing import standing
from dentalpin_kit.problems import TemporaryError

if TYPE_CHECKING:
    from app.core.agents.runner import AgentRunner
    from app.core.mail.room import MailRoom

logger = logging.getLogger(__name__)

RESTART_CHANNEL: Final = "core_restart"
"""`dentalpin modules restart` notifies here; it runs as owner in a process of its own."""
_SETTLED: Final = text("SELECT value FROM core_setting WHERE key = :key")
EXIT_RESTART: Final = 75
"""EX_TEMPFAIL: tells the supervisor of a stand-alone process to start it again."""
_PAUSE_AFTER_FAILURE: Final = 1.0


@dataclass(frozen=True)
class Leaving:
    """Why the process ends, and the exit status it ends with."""

    why: str
    status: int = 0


class ServingStage:
    def __init__(self, settings: Settings, status: StatusChannel, registry: ModuleRegistry = module_registry) -> None:
        if settings.database_url is None:
            raise SettingMissing("DATABASE_URL is not set")
        self._settings = settings
        self._status = status
        self._registry = registry
        heard = {RESTART_CHANNEL: self._asked_to_restart, MODULES_CHANNEL: self._look_again}
        self._locks = ServingLocks(settings.database_url.get_secret_value(), on_notify=heard)
        self._leaving: asyncio.Future[Leaving]
        self._removing = False

    async def run(self) -> int:
        """Serve until told or entitled to leave; the exit status. Raises BootFailed and what the application's start-up raises."""
        self._leaving = asyncio.get_running_loop().create_future()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._locks.release)
            # First the locks, then the state: what is mounted below cannot be removed any more.
            state = await self._locks.take()
            db = await self._open_database(stack)
            gate = Gate(self._mount(state, db))
            serving = await self._install_process(state, gate, stack)
            server = await self._start_server(gate, stack)
            tasks = self._start_tasks(stack, db, serving, server)
            # What was imported stays: looking through it for garbage takes a tenth of the start and frees next to nothing.
            gc.freeze()
            gc.enable()
            self._status.ready(control=self._control_url, generation=state.revision.generation if state.revision else None)
            leaving = await self._leaving
            logger.info("leaving: %s", leaving.why)
            if leaving.why == "drain":
                self._status.draining()
            background = [tasks["dispatcher"], tasks["jobs"]]
            for task in background:
                task.cancel()
            await server.drain()
            if leaving.why == "idle":
                # Asked after the drain: a request that came in last may have left a delivery behind.
                await asyncio.gather(*background, return_exceptions=True)
                self._status.idle(await self._wake_at())
            return leaving.status

    def leave(self, why: str, status: int = 0) -> None:
        """Drain and end; the first reason counts."""
        if not self._leaving.done():
            self._leaving.set_result(Leaving(why, status))

    async def _open_database(self, stack: AsyncExitStack) -> database.Database:
        assert self._settings.database_url is not None
        db = database.Database.of(self._settings)
        stack.push_async_callback(db.dispose)
        database.install(db)
        async with db.session() as session:
            await refuse_bypass(session)
        return db

    def _mount(self, state: ServedState, db: database.Database) -> ASGIApp:
        """The application with what may be served; a module whose routes cannot be made is not in the registry afterwards."""
        from app.core.runtime.routers import serving_routers
        from app.main import create_app

        document = state.revision.document if state.revision else {}
        copies.install(copies.Copy.in_document(document))
        demos.install(demos.Demo.in_document(document))
        modes.install(modes.Mode(document.get("mode", "normal")))
        standing.install(standing.Payments.in_document(document))
        limits.install(limits.Limits.in_document(document))
        mount(state.mountable, self._registry)
        self._registry.set_disabled(state.disabled)
        app = create_app(self._settings, self._registry, database=db, routers=serving_routers())
        self._agents: AgentRunner = app.state.agents
        self._mail: MailRoom = app.state.mail
        return app

    async def _install_process(self, state: ServedState, gate: Gate, stack: AsyncExitStack) -> ServingProcess:
        mounted = frozenset(module.name for module in self._registry.mounted)
        if missing := sorted(state.installed - mounted):
            logger.error("installed but not served: %s", ", ".join(missing))
        async with database.current().engine.connect() as connection:
            settled = await connection.scalar(_SETTLED, {"key": SETTLED})
        serving = ServingProcess(
            locks=self._locks,
            gate=gate,
            mounted=mounted,
            revision=state.revision,
            release_id=settled.get("release_id") if isinstance(settled, dict) else None,
            on_restart=self._restart,
            unusable=state.mountable - mounted,
        )
        process.install(serving)
        stack.callback(process.install, None)
        return serving

    async def _start_server(self, app: ASGIApp, stack: AsyncExitStack) -> RuntimeServer:
        control = control_socket(self._settings.control_host, self._settings.control_port)
        self._control_url = f"http://127.0.0.1:{control.getsockname()[1]}"
        server = RuntimeServer(Forwarded(app), public=public_socket(self._settings), control=control)
        await server.start()
        stack.push_async_callback(server.stop)
        return server

    def _start_tasks(
        self, stack: AsyncExitStack, db: database.Database, serving: ServingProcess, server: RuntimeServer
    ) -> dict[str, asyncio.Task[None]]:
        from app.core.events.dispatcher import Dispatcher
        from app.core.jobs.runner import JobRunner
        from app.core.jobs.schedule import CHANNEL as JOB_CHANNEL
        from app.core.retention import Housekeeper

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.leave, "drain")
        # What is mounted is safe from removal only while the locks are held and the gate is open.
        self._jobs = JobRunner(db, self._registry, serving=lambda: serving.gate.open)
        dispatcher = Dispatcher(db, self._registry, on_notify={JOB_CHANNEL: self._jobs.wake}, serving=lambda: serving.gate.open)
        self._next_due: Callable[[], Awaitable[datetime | None]] = lambda: earliest(dispatcher.next_due, self._jobs.next_wake)
        self._wake_background = (dispatcher.wake, self._jobs.wake)
        work: dict[str, Callable[[], Awaitable[None]]] = {
            "dispatcher": dispatcher.run,
            "jobs": self._jobs.run,
            "housekeeping": Housekeeper(db).run,
            "locks": lambda: self._watch_locks(serving),
        }
        if self._settings.remover_pid is not None:
            work["remover"] = lambda: self._await_remover(serving)
            self._removing = True
        if self._settings.idle_after > 0:
            work["idle"] = lambda: self._watch_idle(server)
        tasks = {name: asyncio.create_task(_kept_running(name, function), name=name) for name, function in work.items()}
        stack.push_async_callback(_cancel, tasks.values())
        stack.push_async_callback(self._agents.stop)
        return tasks

    async def _watch_locks(self, serving: ServingProcess) -> None:
        def lost() -> None:
            logger.error("the connection that holds the serving locks is lost: nothing is served until they are retaken")
            serving.gate.open = False

        def retaken(state: ServedState) -> None:
            self._switch(state)
            if serving.mounted <= state.mountable:
                logger.info("the serving locks are retaken")
                serving.gate.open = True
            else:
                # Removed, or being removed, while nobody watched: what is mounted here may have no tables.
                serving.request_restart(serving.differs_from(state) or "modules changed while the locks were lost")

        told: str | None = None

        def seen(state: ServedState) -> None:
            nonlocal told
            self._switch(state)
            reason = serving.differs_from(state)
            # Said once: the supervisor tries again by itself, with growing pauses.
            if reason is not None and reason != told and self._supervised:
                serving.request_restart(reason)
            told = reason

        await self._locks.watch(lost=lost, retaken=retaken, seen=seen)

    def _look_again(self) -> None:
        self._locks.look()

    def _switch(self, state: ServedState) -> None:
        if self._registry.set_disabled(state.disabled):
            logger.info("switched off: %s", ", ".join(sorted(state.disabled)) or "nothing")
            # What waited for a module while it was switched off is due now.
            for wake in self._wake_background:
                wake()

    async def _await_remover(self, serving: ServingProcess) -> None:
        assert self._settings.remover_pid is not None
        status = await wait_for_child(self._settings.remover_pid)
        self._removing = False
        logger.log(logging.INFO if status == 0 else logging.ERROR, "the removal of modules ended with status %s", status)
        if self._locks.held and (reason := serving.differs_from(await self._locks.reread())) is not None:
            # A removal was refused, and the module is installed again: only a new process can mount it.
            serving.request_restart(reason)

    async def _wake_at(self) -> str | None:
        try:
            due = await self._next_due()
        except (OSError, SQLAlchemyError, TemporaryError):
            # Not knowing, it is woken at once and asks again.
            logger.exception("the next due delivery cannot be read")
            due = datetime.now(UTC)
        return due.isoformat() if due is not None else None

    async def _watch_idle(self, server: RuntimeServer) -> None:
        watch = IdleWatch(
            after=self._settings.idle_after,
            connections=lambda: server.connections,
            requests=lambda: server.requests,
            working=self._at_work,
            next_due=self._next_due,
        )
        await watch.run()
        self.leave("idle")

    def _at_work(self) -> bool:
        """Whether something is under way that leaving would cut off."""
        return self._removing or self._jobs.busy or self._agents.running > 0 or self._mail.busy or not self._locks.held

    @property
    def _supervised(self) -> bool:
        """Whether somebody reads the status channel and can put another process in this one's place."""
        return self._settings.status_fd is not None

    def _asked_to_restart(self) -> None:
        self._restart("a restart was asked for")

    def _restart(self, reason: str) -> None:
        self._status.restart_wanted(reason)
        if not self._supervised:
            self.leave("restart", EXIT_RESTART)


async def _kept_running(name: str, function: Callable[[], Awaitable[None]]) -> None:
    """Run to its end; after an unexpected failure, again. Nobody else would notice a dispatcher that is gone."""
    while True:
        try:
            return await function()
        except Exception:
            logger.exception("%s failed and is started again", name)
            await asyncio.sleep(_PAUSE_AFTER_FAILURE)


async def _cancel(tasks: Any) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def run(settings: Settings, status: StatusChannel) -> int:
    """Run the stage on uvloop where it is installed. Returns the exit status."""
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with suppress(ImportError):
        from uvloop import new_event_loop

        loop_factory = new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(_serve(settings, status))


async def _serve(settings: Settings, status: StatusChannel) -> int:
    return await ServingStage(settings, status).run()

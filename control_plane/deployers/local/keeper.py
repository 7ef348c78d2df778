"""Keeps one tenant as wanted: its socket, its processes, the hand-over from one to the next.

Level-triggered: every change (a status line, an exit, a connection, a request) wakes one loop, which looks at everything and acts on
what `rules.decide` says. Two requests at once therefore cannot start two sets of processes.

Hand-over: the next process is started on the same socket while the old one serves. When it is ready, the old one is asked to drain:
it stops accepting, answers `Connection: close`, waits until its connections are gone, and leaves. One that fails to start leaves the
old one serving.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from control_plane.deployers.local.http import Request, Response, answer
from control_plane.deployers.local.placement import Goal, Placement, PlacementStore, Spec
from control_plane.deployers.local.process import Command, Console, RuntimeProcess
from control_plane.deployers.local.rules import Act, Decision, Door, Timing, View, Wanted, decide
from control_plane.deployers.local.scrub import scrub
from control_plane.deployers.local.waiting import FAILING, STARTING, STOPPED, waiting_answer

VISITORS_AT_ONCE = 200

log = logging.getLogger(__name__)

CommandFor = Callable[[Placement, bool], Command]
"""How to start a tenant's process; True when an older one serves meanwhile."""
SecretsOf = Callable[[str], list[str]]


class TenantKeeper:
    def __init__(
        self, placement: Placement, listening: socket.socket, store: PlacementStore, command: CommandFor, secrets: SecretsOf, timing: Timing
    ) -> None:
        self.placement = placement
        self.listening = listening
        self._store = store
        self._command = command
        self._secrets = secrets
        self._timing = timing
        self._loop = asyncio.get_running_loop()
        self._tick = asyncio.Event()
        self._serial = 0
        self._demand = False
        self._serving: RuntimeProcess | None = None
        self._starting: RuntimeProcess | None = None
        self._leaving: list[RuntimeProcess] = []
        self._console = Console(store.folder(placement.tenant_id) / "console.log")
        self._closing = False
        self._failures = 0
        self._streak = 0
        """Failures before the process that serves became ready: one that dies soon after counts on."""
        self._not_before = 0.0
        self._failure: dict[str, Any] | None = None
        self._door = Door.CLOSED
        self._visitors: set[asyncio.Task[None]] = set()
        self._task = asyncio.create_task(self._keep(), name=f"tenant {placement.tenant_id}")

    # What others ask for

    def ask(self, spec: Spec) -> None:
        """Run this from now on. The same again changes nothing, and does not shorten a back-off."""
        asked = self.placement.asked(spec)
        if asked == self.placement:
            return
        if asked.digest != self.placement.digest or self.placement.goal is Goal.STOPPED:
            self._try_at_once()
            self._demand = True
        self._note(asked)

    def restart(self) -> None:
        """Another process takes over. Requests that come before it starts are one."""
        self._serial += 1
        self._demand = True
        self._try_at_once()
        # Should the supervisor die before the restart happened, the next one must still do it.
        self._note(replace(self.placement, settled=None))

    def _try_at_once(self) -> None:
        self._failures = self._streak = 0
        self._not_before = 0.0

    @property
    def owes_a_start(self) -> bool:
        """Whether a supervisor that finds this placement should start a process without waiting for a connection."""
        return self.placement.goal is Goal.RUNNING and (self.placement.settled != self.placement.digest or not self.placement.resting)

    async def wake(self, seconds: float) -> None:
        """Return once a process serves, or the attempt failed, or the time is over."""
        self._demand = True
        self._touch()
        await self._until(lambda: self._serving is not None or self._failures > 0 or self.placement.goal is Goal.STOPPED, seconds)

    async def stop(self) -> None:
        """Return once no process is left; the socket stays, so that the port is kept and visitors are told."""
        self._note(replace(self.placement, goal=Goal.STOPPED))
        await self._until(lambda: not self._processes() or self.placement.goal is Goal.RUNNING, None)

    async def close(self) -> None:
        """End everything of this tenant here: processes, loop and socket. The placement on disk stays."""
        self._closing = True
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._set_door(Door.CLOSED)
        await self._end([process for process, _ in self._processes()])
        for visitor in self._visitors:
            visitor.cancel()
        self.listening.close()

    def show(self) -> dict[str, Any]:
        placement = self.placement
        return {
            "id": placement.tenant_id,
            "slug": placement.slug,
            "port": placement.port,
            "state": self._state(),
            "digest": placement.digest,
            "as_asked": self._serving is not None and self._serving.wanted == self._wanted(),
            "control": self._serving.control if self._serving else None,
            "serving_digest": self._serving.wanted.digest if self._serving else None,
            "wake_at": placement.wake_at.isoformat() if placement.wake_at else None,
            "processes": [_shown(process, role) for process, role in self._processes()],
            "failures": self._failures,
            "last_failure": self._failure,
        }

    def _state(self) -> str:
        if self.placement.goal is Goal.STOPPED:
            return "stopping" if self._processes() else "stopped"
        if self._serving is not None:
            return "handing_over" if self._starting else "serving"
        if self._failures:
            return "failing"
        return "starting" if self._starting or self._demand else "idle"

    # The loop

    async def _keep(self) -> None:
        while True:
            try:
                await self._turn()
            except Exception:
                log.exception("tenant %s: the loop goes on after an error", self.placement.slug)
                await asyncio.sleep(self._timing.first_retry)

    async def _turn(self) -> None:
        while True:
            tick = self._tick
            decision = decide(self._view(), self._timing)
            self._set_door(decision.door)
            if not self._act(decision):
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._look_again(decision)):
                    await tick.wait()
            self._wake_if_due()

    def _view(self) -> View:
        return View(
            goal=self.placement.goal,
            wanted=self._wanted(),
            serving=self._serving.wanted if self._serving else None,
            starting=self._starting.wanted if self._starting else None,
            starting_since=self._starting.since if self._starting else 0.0,
            demand=self._demand,
            failures=self._failures,
            not_before=self._not_before,
            now=self._loop.time(),
        )

    def _act(self, decision: Decision) -> bool:
        """Do it; False when the next look should follow at once."""
        if decision.act is Act.START:
            self._start()
            return False
        if decision.act is Act.GIVE_UP and self._starting is not None:
            self._starting.failure = (
                "start_timeout",
                f"not ready within {self._timing.start_limit:.0f} s (last step: {self._starting.step})",
            )
            self._starting.kill()
        if decision.act is Act.STOP:
            for process in (self._serving, self._starting):
                if process is not None:
                    self._let_go(process, self._timing.stop_limit)
            self._serving = self._starting = None
        return True

    def _look_again(self, decision: Decision) -> float | None:
        times = [decision.look_again] if decision.look_again is not None else []
        if decision.door is Door.WATCHED and self.placement.wake_at is not None:
            times.append(self._loop.time() + max(0.0, (self.placement.wake_at - datetime.now(UTC)).total_seconds()))
        if decision.act is Act.GIVE_UP:
            return None
        return min(times, default=None)

    def _wake_if_due(self) -> None:
        wake_at = self.placement.wake_at
        if self._serving is None and wake_at is not None and datetime.now(UTC) >= wake_at:
            self._demand = True

    def _wanted(self) -> Wanted:
        return Wanted(self.placement.digest, self._serial)

    def _start(self) -> None:
        try:
            command = self._command(self.placement, self._serving is not None)
            process = RuntimeProcess(command, self.listening.fileno(), self._wanted(), self._console, self._changed)
        except (OSError, ProcessLookupError) as error:
            self._failed("cannot_start", str(error), [])
            return
        log.info("tenant %s: process %d starts", self.placement.slug, process.pid)
        self._starting = process

    # What processes tell

    def _changed(self, process: RuntimeProcess) -> None:
        if self._closing:
            return
        if process is self._starting:
            if process.ready:
                self._promote(process)
            elif not process.alive:
                self._starting = None
                code, reason = process.failure or ("start_failed", f"ended with status {process.exit_status} before it was ready")
                self._failed(code, reason, list(process.console.tail))
        if process is self._serving:
            self._while_serving(process)
        if not process.alive and process in self._leaving:
            self._leaving.remove(process)
        self._touch()

    def _promote(self, process: RuntimeProcess) -> None:
        """The new process accepts: from here on the old one is not needed."""
        old, self._serving, self._starting = self._serving, process, None
        if old is not None:
            self._let_go(old, self._timing.drain_limit)
        self._streak, self._failures = max(self._streak, self._failures), 0
        self._note(replace(self.placement, settled=process.wanted.digest, resting=False, wake_at=None))
        log.info("tenant %s: process %d serves", self.placement.slug, process.pid)

    def _while_serving(self, process: RuntimeProcess) -> None:
        if process.restart_wanted is not None:
            log.info("tenant %s: restart wanted: %s", self.placement.slug, process.restart_wanted)
            process.restart_wanted = None
            self.restart()
        if process.idle:
            # It accepts no longer, so a connection from now on is a demand.
            self._serving = None
            self._demand = process.wanted != self._wanted()
            self._let_go(process, self._timing.drain_limit, ask=False)
            self._note(replace(self.placement, resting=True, wake_at=process.wake_at))
        elif not process.alive:
            self._died(process)

    def _died(self, process: RuntimeProcess) -> None:
        """Start another at once and let visitors wait, unless this happens again and again."""
        self._serving = None
        self._demand = True
        if self._loop.time() - (process.ready_since or process.since) > self._timing.steady_after:
            self._streak = 0
        code, reason = process.failure or ("died", f"process {process.pid} ended with status {process.exit_status} while it served")
        if self._streak:
            self._failures = self._streak
            self._failed(code, reason, list(process.console.tail))
        else:
            self._streak = 1
            self._remember(code, reason, list(process.console.tail))

    def _failed(self, code: str, reason: str, tail: list[str]) -> None:
        self._failures += 1
        self._not_before = self._loop.time() + self._timing.retry_after(self._failures)
        self._remember(code, reason, tail)

    def _remember(self, code: str, reason: str, tail: list[str]) -> None:
        secrets = self._secrets(self.placement.tenant_id)
        self._failure = {
            "at": datetime.now(UTC).isoformat(),
            "code": code,
            "reason": scrub(reason, secrets),
            "digest": self.placement.digest,
            "log_tail": [scrub(line, secrets) for line in tail],
        }
        log.warning("tenant %s: %s: %s", self.placement.slug, code, self._failure["reason"])

    def _let_go(self, process: RuntimeProcess, seconds: float, *, ask: bool = True) -> None:
        """Let a process finish; one that takes longer than `seconds` is killed."""
        if ask:
            process.drain()
        if process.alive:
            self._leaving.append(process)
            self._loop.call_later(seconds, process.kill)

    async def _end(self, processes: list[RuntimeProcess]) -> None:
        for process in processes:
            process.drain()
        everyone = asyncio.gather(*(process.gone() for process in processes))
        try:
            await asyncio.wait_for(asyncio.shield(everyone), self._timing.stop_limit)
        except TimeoutError:
            for process in processes:
                process.kill()
            await everyone

    def _processes(self) -> list[tuple[RuntimeProcess, str]]:
        found = [(self._serving, "serving"), (self._starting, "starting"), *((process, "draining") for process in self._leaving)]
        return [(process, role) for process, role in found if process is not None]

    # The socket

    def _set_door(self, door: Door) -> None:
        if door is self._door:
            return
        self._door = door
        if door is Door.CLOSED:
            self._loop.remove_reader(self.listening)
        elif door is Door.WATCHED:
            self._loop.add_reader(self.listening, self._knocked)
        else:
            self._loop.add_reader(self.listening, self._admit)

    def _knocked(self) -> None:
        self._loop.remove_reader(self.listening)
        self._door = Door.CLOSED
        self._demand = True
        self._touch()

    def _admit(self) -> None:
        while len(self._visitors) < VISITORS_AT_ONCE:
            try:
                visitor, _ = self.listening.accept()
            except BlockingIOError:
                return
            except OSError as error:
                log.warning("tenant %s: accept: %s", self.placement.slug, error)
                return
            task = asyncio.create_task(self._turn_away(visitor))
            self._visitors.add(task)
            task.add_done_callback(self._visitors.discard)

    async def _turn_away(self, visitor: socket.socket) -> None:
        visitor.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=visitor)
        await answer(reader, writer, self._waiting_answer)

    async def _waiting_answer(self, request: Request) -> Response:
        kind = STOPPED if self.placement.goal is Goal.STOPPED else FAILING if self._failures else STARTING
        return waiting_answer(request, self.placement.name, kind)

    # Bookkeeping

    def _note(self, placement: Placement) -> None:
        if placement != self.placement:
            self.placement = placement
            self._store.save(placement)
        self._touch()

    def _touch(self) -> None:
        tick, self._tick = self._tick, asyncio.Event()
        tick.set()

    async def _until(self, condition: Callable[[], bool], seconds: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not condition():
                    await self._tick.wait()


def _shown(process: RuntimeProcess, role: str) -> dict[str, Any]:
    return {
        "pid": process.pid,
        "role": role,
        "digest": process.wanted.digest,
        "generation": process.generation,
        "step": process.step,
        "started_at": process.started_at.isoformat(),
    }

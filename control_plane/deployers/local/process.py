"""One process of a tenant's runtime: started, listened to on its status channel, drained, reaped.

The status channel is a pipe of JSON lines (DENTALPIN_STATUS_FD): step, ready, failed, draining, idle, restart_wanted. What the process
prints goes to `console.log` in the tenant's folder; its end is kept for the reason of a failure.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from control_plane.deployers.local.rules import Wanted
from dentalpin_kit.processes import die_with_parent

CONSOLE_BYTES = 1_000_000
TAIL_LINES = 40
LONGEST_LINE = 2_000
LAST_WORDS_SECONDS = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Command:
    arguments: tuple[str, ...]
    environment: dict[str, str]
    directory: Path


class Console:
    """What a tenant's processes print: a file that rotates once, and the last lines in memory."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._rest = b""

    def write(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            lines, self._rest = [*lines, self._rest], b""
        self.tail.extend(line.decode(errors="replace")[:LONGEST_LINE] for line in lines)
        with contextlib.suppress(OSError):
            if self.file.exists() and self.file.stat().st_size > CONSOLE_BYTES:
                self.file.rename(self.file.with_name(f"{self.file.name}.1"))
            with self.file.open("ab") as handle:
                handle.write(data)


class RuntimeProcess:
    """Changes are told through `changed`, always on the event loop's thread."""

    def __init__(self, command: Command, listening: int, wanted: Wanted, console: Console, changed: Callable[["RuntimeProcess"], None]):
        self.wanted = wanted
        self.console = console
        self.started_at = datetime.now(UTC)
        self.since = asyncio.get_running_loop().time()
        self.ready_since: float | None = None
        self.step: str | None = None
        self.control: str | None = None
        self.generation: int | None = None
        self.failure: tuple[str, str] | None = None
        self.idle = False
        self.wake_at: datetime | None = None
        self.restart_wanted: str | None = None
        self.exit_status: int | None = None
        self._changed = changed
        self._gone = asyncio.Event()
        self._child = self._spawn(command, listening)
        self.pid = self._child.pid
        self._life = asyncio.create_task(self._follow(), name=f"process {self.pid}")

    def _spawn(self, command: Command, listening: int) -> "subprocess.Popen[bytes]":
        self._status, status = os.pipe()
        self._output, output = os.pipe()
        try:
            return subprocess.Popen(
                command.arguments,
                env=command.environment | {"DENTALPIN_LISTEN_FD": str(listening), "DENTALPIN_STATUS_FD": str(status)},
                cwd=command.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(listening, status),
                start_new_session=True,
                preexec_fn=partial(die_with_parent, os.getpid()),
            )
        except BaseException:
            os.close(self._status)
            os.close(self._output)
            raise
        finally:
            os.close(status)
            os.close(output)

    @property
    def alive(self) -> bool:
        return self.exit_status is None

    @property
    def ready(self) -> bool:
        return self.ready_since is not None

    def drain(self) -> None:
        """Ask the process to finish what it serves and leave."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.alive:
            # The child is reaped only by `_follow`, so the pid cannot be another's.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def gone(self) -> None:
        await self._gone.wait()

    async def _follow(self) -> None:
        status = asyncio.create_task(self._read_status())
        output = asyncio.create_task(self._read_output())
        exit_status = await self._exit()
        # A child of the process may hold the pipes open longer; its own last words are in them already.
        _, pending = await asyncio.wait({status, output}, timeout=LAST_WORDS_SECONDS)
        for task in pending:
            task.cancel()
        self.exit_status = exit_status
        self._gone.set()
        self._changed(self)

    async def _exit(self) -> int:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        descriptor = os.pidfd_open(self.pid)
        try:
            loop.add_reader(descriptor, ended.set)
            await ended.wait()
            return self._child.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    async def _read_output(self) -> None:
        reader, transport = await _pipe(self._output)
        try:
            while data := await reader.read(65536):
                self.console.write(data)
        finally:
            transport.close()

    async def _read_status(self) -> None:
        reader, transport = await _pipe(self._status)
        rest = b""
        try:
            while data := await reader.read(65536):
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._take(line)
        finally:
            transport.close()

    def _take(self, line: bytes) -> None:
        try:
            event = json.loads(line)
            kind = event["event"]
        except (ValueError, TypeError, KeyError):
            log.warning("process %d wrote an unreadable status line", self.pid)
            return
        self._apply(kind, event)
        self._changed(self)

    def _apply(self, kind: str, event: dict[str, Any]) -> None:
        if kind == "step":
            self.step = str(event.get("name"))
        elif kind == "ready":
            self.ready_since = asyncio.get_running_loop().time()
            self.control = event.get("control")
            self.generation = event.get("generation")
        elif kind == "failed":
            self.failure = (str(event.get("code", "failed")), str(event.get("reason", "")))
        elif kind == "idle":
            self.idle = True
            self.wake_at = datetime.fromisoformat(event["wake_at"]) if event.get("wake_at") else None
        elif kind == "restart_wanted":
            self.restart_wanted = str(event.get("reason", ""))


async def _pipe(descriptor: int) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0))
    return reader, transport

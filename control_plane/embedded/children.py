"""The platform's own processes: started, started again when they die, stopped in order."""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from control_plane.deployers.local.process import Console

FIRST_RETRY_SECONDS = 0.2
LONGEST_RETRY_SECONDS = 30.0
STEADY_AFTER_SECONDS = 30.0
STOP_SECONDS = 20.0

log = logging.getLogger(__name__)


def retry_after(failures: int) -> float:
    """Seconds before the next start; the first one follows at once."""
    return 0.0 if failures <= 1 else min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(failures - 2, 16))


async def ended(pid: int) -> None:
    """Return when the process is gone, whoever started it."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    loop.add_reader(descriptor, event.set)
    try:
        await event.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


class Child:
    """One process that should always run. It dies with this process (each checks DENTALPIN_PARENT_PID when it starts)."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log_file: Path,
        *,
        pass_fds: Sequence[int] = (),
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.console = Console(log_file)
        self.restarts = 0
        self.pid: int | None = None
        self._arguments = list(arguments)
        self._environment = dict(environment) | {"DENTALPIN_PARENT_PID": str(os.getpid())}
        self._pass_fds = tuple(pass_fds)
        self._changed = changed
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep(), name=self.name)

    async def stop(self) -> None:
        """Ask the process to end, insist after a while, and return when it is gone."""
        self._stopping.set()
        if self._task is None:
            return
        if self.pid is None:
            self._task.cancel()
        else:
            self._signal(signal.SIGTERM)
        _, late = await asyncio.wait({self._task}, timeout=STOP_SECONDS)
        if late:
            log.warning("%s did not stop within %.0f s and is killed", self.name, STOP_SECONDS)
            self._signal(signal.SIGKILL)
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def hurry(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        # Only `_keep` reaps the process, so the pid cannot be another's.
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while not self._stopping.is_set():
            begun = loop.time()
            status = await self._run_once()
            if self._stopping.is_set():
                return
            failures = 1 if loop.time() - begun > STEADY_AFTER_SECONDS else failures + 1
            self.restarts += 1
            log.warning("%s ended with status %s; it is started again in %.1f s", self.name, status, retry_after(failures))
            await asyncio.sleep(retry_after(failures))

    async def _run_once(self) -> int:
        process = subprocess.Popen(  # noqa: ASYNC220 - starting takes a millisecond, and asyncio's own way takes a thread per process
            self._arguments,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=self._pass_fds,
            start_new_session=True,
        )
        assert process.stdout is not None
        self.pid = process.pid
        self._changed()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, process.stdout)
        pump = asyncio.create_task(self._pump(reader))
        try:
            await ended(process.pid)
            status = process.wait()
            # What it left behind may hold the pipe open.
            await asyncio.wait({pump}, timeout=1.0)
            return status
        finally:
            pump.cancel()
            transport.close()
            self.pid = None
            self._changed()

    async def _pump(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(65536):
            self.console.write(data)

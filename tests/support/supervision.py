"""The local supervisor as a process of its own, as `./dev up` starts it: what it is told goes by its environment."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

from control_plane.deployers.local.settings import announcement

SECONDS = 30.0


class SupervisorProcess:
    """It keeps the tenants of `data` up, in the runtime environment `runtime_env`; `variables` are what else it is told."""

    def __init__(self, data: Path, runtime_env: Path, **variables: str) -> None:
        self._announced = announcement(data)
        self._environment = os.environ | {"DENTALPIN_DATA": str(data), "DENTALPIN_RUNTIME_ENV": str(runtime_env)} | variables
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._announced.unlink(missing_ok=True)
        arguments = [sys.executable, "-m", "control_plane.deployers.local"]
        self.process = await asyncio.create_subprocess_exec(*arguments, env=self._environment, stderr=asyncio.subprocess.DEVNULL)
        async with asyncio.timeout(SECONDS):
            while not self._announced.exists():  # noqa: ASYNC110 - another process has no event of ours
                await asyncio.sleep(0.02)

    async def end(self, number: signal.Signals) -> None:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        await self.process.wait()

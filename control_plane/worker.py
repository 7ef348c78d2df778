"""`python -m control_plane.worker`: one worker as a process. SIGTERM ends it; what it was at, the next one goes on with.

Whoever keeps it up reads from the time of the file `worker.alive` in the data folder whether its event loop still turns: a worker that
hangs is started again, one whose database is away is not.
"""

import asyncio
import os
import signal
from pathlib import Path
from typing import Final

from control_plane.config import get_settings
from control_plane.operations.worker import Worker
from control_plane.platform import Platform
from dentalpin_kit import logs, tracing
from dentalpin_kit.processes import die_with_parent

ALIVE: Final = "worker.alive"
BEAT_SECONDS: Final = 10.0


async def beat(file: Path, *, seconds: float = BEAT_SECONDS) -> None:
    """Touch the file now and every few seconds, from the loop that does the work."""
    while True:
        file.touch(mode=0o600)
        await asyncio.sleep(seconds)


async def work(platform: Platform) -> None:
    """Run a worker until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    beating = asyncio.create_task(beat(platform.settings.data / ALIVE), name="beat")
    try:
        await Worker(platform, platform.servers.own).run(stop)
    finally:
        beating.cancel()
        await platform.close()


def main() -> None:
    settings = get_settings()
    if settings.parent_pid is not None:
        die_with_parent(settings.parent_pid)
    os.umask(0o077)
    logs.configure(level=settings.log_level, file=settings.log_file, process="worker")
    tracing.configure("dentalpin-platform", os.environ, process="worker")
    try:
        asyncio.run(work(Platform.build(settings)))
    finally:
        tracing.shut_down()


if __name__ == "__main__":
    main()

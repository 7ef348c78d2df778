"""`python -m control_plane.deployers.local`: the supervisor process."""

import asyncio
import fcntl
import logging
import os
import signal
import sys
import time

from control_plane.deployers.local.settings import SupervisorSettings
from control_plane.deployers.local.supervisor import Supervisor
from dentalpin_kit import logs
from dentalpin_kit.processes import die_with_parent

LOCK_SECONDS = 15.0

log = logging.getLogger(__name__)


async def serve(settings: SupervisorSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    supervisor = Supervisor(settings)
    await supervisor.start()
    await stop.wait()
    await supervisor.stop()


def main() -> int:
    logs.configure(level=os.environ.get("DENTALPIN_LOG_LEVEL", "INFO"), process="supervisor")
    if parent := os.environ.get("DENTALPIN_PARENT_PID"):
        # And the tenants' processes die with this one: after any kill, the next start finds sockets and folders free.
        die_with_parent(int(parent))
    settings = SupervisorSettings.read()
    settings.announcement.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(settings.announcement.with_name("supervisor.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                log.error("another supervisor runs on %s; stop it first (./dev down)", settings.folder)
                return 1
            time.sleep(0.05)
    asyncio.run(serve(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())

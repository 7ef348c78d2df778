"""Who runs on a data folder: one platform at most, by a lock that the kernel releases however its holder ends."""

import fcntl
import os
import time
from typing import Any

from control_plane.embedded.layout import EmbeddedError, Facts, Layout, read_json
from dentalpin_kit.postgres import EmbeddedServer, PostgresError

LOCK_PATIENCE_SECONDS = 0.5


class AlreadyRunning(EmbeddedError):
    pass


def is_running(layout: Layout) -> bool:
    """Whether a platform holds the lock of this data folder."""
    try:
        descriptor = os.open(layout.lock, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def take_lock(layout: Layout) -> int:
    """The lock of a data folder, held until this process ends. Raises AlreadyRunning, with where it can be reached."""
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
    while not _try_lock(descriptor):
        if time.monotonic() < deadline:
            # `./dev status` holds it for an instant.
            time.sleep(0.02)
            continue
        os.close(descriptor)
        facts = Facts.read(layout)
        where = f" at {facts.public_url}" if facts else ""
        raise AlreadyRunning(
            f"DentalPin runs already on {layout.data}{where} (process {layout.lock.read_text().strip() or 'unknown'}). "
            f"Stop it with ./dev down, or give this one a folder of its own with --data."
        )
    os.truncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    return descriptor


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def leftovers(layout: Layout) -> EmbeddedServer | None:
    """A PostgreSQL that outlived its platform (after `kill -9`), None when there is none."""
    if not layout.postgres.exists():
        return None
    try:
        server = EmbeddedServer(layout.postgres)
    except PostgresError:
        return None
    return server if server.pid() is not None else None


def shown_processes(layout: Layout) -> dict[str, Any]:
    """State and processes of the running platform, as its parent wrote them down."""
    return read_json(layout.processes) or {"state": "stopped", "processes": []}

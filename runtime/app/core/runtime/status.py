"""The status channel: what a process tells its supervisor, as JSON lines on an inherited pipe (`DENTALPIN_STATUS_FD`).

Without the pipe (stand-alone, Kubernetes) the same goes to the log only.
"""

import contextlib
import json
import logging
import os
from typing import Any

logger = logging.getLogger(__name__)


class StatusChannel:
    def __init__(self, fd: int | None) -> None:
        self._fd = fd

    def step(self, name: str) -> None:
        """Boot has come this far."""
        self._write("step", name=name)

    def ready(self, *, control: str, generation: int | None) -> None:
        self._write("ready", pid=os.getpid(), control=control, generation=generation)

    def failed(self, code: str, reason: str) -> None:
        self._write("failed", code=code, reason=reason)

    def draining(self) -> None:
        self._write("draining")

    def idle(self, wake_at: str | None) -> None:
        """Leaving for want of work; `wake_at` (ISO 8601) is when a delivery is due, None when only a request can bring work."""
        self._write("idle", wake_at=wake_at)

    def restart_wanted(self, reason: str) -> None:
        self._write("restart_wanted", reason=reason)

    def _write(self, event: str, **fields: Any) -> None:
        logger.info("status: %s %s", event, fields or "")
        if self._fd is None:
            return
        line = json.dumps({"event": event, **fields}) + "\n"
        # A supervisor that is gone reads nothing; this process learns of its death by signal.
        with contextlib.suppress(BrokenPipeError, BlockingIOError):
            os.write(self._fd, line.encode("utf-8"))

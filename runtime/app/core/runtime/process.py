"""The serving process as its own routes see it: what is mounted, under which revision, and the way to ask for a restart."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from app.core.runtime.gate import Gate
from app.core.runtime.locks import AdoptedRevision, ServedState, ServingLocks


@dataclass
class ServingProcess:
    """One per process, made by `app.serve` before the application is."""

    locks: ServingLocks
    gate: Gate
    mounted: frozenset[str]
    revision: AdoptedRevision | None
    release_id: str | None
    on_restart: Callable[[str], None]
    """Carries the request out: the status channel, or leaving for whoever supervises a stand-alone process."""
    unusable: frozenset[str] = frozenset()
    """Installed modules whose package is gone or cannot be imported: another process would not serve them either."""
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    pid: int = field(default_factory=os.getpid)

    @property
    def serves(self) -> bool:
        """Whether requests reach the modules: the locks are held and nothing was removed while they were not."""
        return self.locks.held and self.gate.open

    def request_restart(self, reason: str) -> None:
        """Ask for this process to be replaced. It goes on serving until it is."""
        self.on_restart(reason)

    def differs_from(self, state: ServedState) -> str | None:
        """Why this process should be replaced now that the database says `state`; None when it should not.

        A later revision is no reason: whoever brought it starts the process for it.
        """
        if state.revision is not None and (self.revision is None or state.revision.generation > self.revision.generation):
            return None
        if missing := sorted(state.installed - self.mounted - self.unusable):
            return f"installed but not mounted: {', '.join(missing)}"
        if gone := sorted(self.mounted - state.installed):
            return f"mounted but no longer installed: {', '.join(gone)}"
        return None


_current: ServingProcess | None = None


def install(process: ServingProcess | None) -> None:
    global _current
    _current = process


def current() -> ServingProcess | None:
    """The serving process this code runs in; None in the CLI, in boot and in tests without one."""
    return _current

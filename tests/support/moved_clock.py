"""One moved clock for a platform and the runtimes it starts: their environment reads it from a file.

The platform's clock stands still until it is moved; a runtime's goes on from a few minutes before, as clocks of two machines differ: it
waits for moments, and would wait for ever by one that stands.
"""

import time
from pathlib import Path

from app.testing.clock import TestClock

BEHIND_SECONDS = 300
_IN_THE_RUNTIME = """
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from app.core import clock


class Moved:
    def now(self):
        return datetime.now(UTC) + timedelta(seconds=float(Path({file!r}).read_text()))

    def today(self, timezone=None):
        return self.now().astimezone(ZoneInfo(timezone) if timezone else UTC).date()


clock.replace(Moved())
"""


class MovedClock(TestClock):
    """`file` says by how many seconds the runtimes' clocks are moved."""

    def __init__(self, moment: str, file: Path) -> None:
        super().__init__(moment)
        self._file = file
        self._note()

    def advance(self, **duration: float) -> None:
        super().advance(**duration)
        self._note()

    def move_to(self, day: str) -> None:
        super().move_to(day)
        self._note()

    def install(self, environment: Path) -> None:
        """Every process of this environment (tests.support.runtime_env) lives by this clock."""
        packages = next((environment / "lib").glob("python*")) / "site-packages"
        (packages / "moved_clock.py").write_text(_IN_THE_RUNTIME.format(file=str(self._file)))
        # Behind base.pth, which makes the core importable.
        (packages / "moved_clock.pth").write_text("import moved_clock\n")

    def _note(self) -> None:
        """Replaced at once: a runtime reads it at any moment."""
        draft = self._file.with_suffix(".draft")
        draft.write_text(str(self.now().timestamp() - time.time() - BEHIND_SECONDS))
        draft.replace(self._file)

"""A clock that stands still until it is told to move."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo


class TestClock:
    """Takes the place of `app.core.clock` for the time of a test."""

    __test__ = False

    def __init__(self, moment: str = "2026-11-21T10:00:00+00:00") -> None:
        self._now = datetime.fromisoformat(moment).astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def today(self, timezone: str | None = None) -> date:
        return self._now.astimezone(ZoneInfo(timezone) if timezone else UTC).date()

    def advance(self, **duration: float) -> None:
        """`clock.advance(hours=2)`: keywords as those of timedelta."""
        self._now += timedelta(**duration)

    def move_to(self, day: str) -> None:
        """Noon UTC of a day written YYYY-MM-DD."""
        self._now = datetime.fromisoformat(f"{day}T12:00:00+00:00")

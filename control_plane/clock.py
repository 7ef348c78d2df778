"""What time it is, for everything that decides by time: law, deadlines, back-off. Tests pass their own clock."""

from datetime import UTC, date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo


class Clock(Protocol):
    def now(self) -> datetime:
        """The moment, in UTC."""
        ...

    def today(self, timezone: str | None = None) -> date:
        """The calendar day by which law is applied, in the clinic's time zone where one is given."""
        ...


class SystemClock:
    """The machine's clock. `today` fixes the calendar day only (DENTALPIN_TODAY), so that tokens and leases keep real time."""

    def __init__(self, today: date | None = None) -> None:
        self._today = today

    def now(self) -> datetime:
        return datetime.now(UTC)

    def today(self, timezone: str | None = None) -> date:
        if self._today is not None:
            return self._today
        return datetime.now(ZoneInfo(timezone) if timezone else UTC).date()

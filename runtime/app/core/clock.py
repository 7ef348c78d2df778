"""What time it is, for what a module decides by time: due dates, recalls, what is overdue. Tests set it (fixture `clock`)."""

from datetime import UTC, date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo


class Clock(Protocol):
    def now(self) -> datetime: ...

    def today(self, timezone: str | None = None) -> date: ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def today(self, timezone: str | None = None) -> date:
        return datetime.now(ZoneInfo(timezone) if timezone else UTC).date()


_clock: Clock = SystemClock()


def now() -> datetime:
    """The moment, in UTC."""
    return _clock.now()


def today(timezone: str | None = None) -> date:
    """The calendar day, in the clinic's time zone where one is given: `clock.today(ctx.clinic.timezone)`."""
    return _clock.today(timezone)


def replace(clock: Clock) -> Clock:
    """Use another clock in this process; the one used before. For tests."""
    global _clock
    before, _clock = _clock, clock
    return before

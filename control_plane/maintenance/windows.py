"""Maintenance windows: hours of the clinic's own wall clock, on some days of its week. Pure.

A window that ends at or before its start ends on the following day. Where the clocks change, the window keeps its wall-clock ends, so
that it is an hour shorter or longer in that night.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

EVERY_DAY = frozenset(range(7))
LOOK_AHEAD = timedelta(days=15)
"""How far openings are looked for: any window opens at least once a week."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """From `start` up to, not including, `end`, in UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Window:
    start: time
    end: time
    days: frozenset[int] = EVERY_DAY
    """On which the window begins: 0 is Monday."""

    def on(self, day: date, zone: ZoneInfo) -> Span:
        """The window that begins on this day of the clinic."""
        last = day if self.end > self.start else day + timedelta(days=1)
        return Span(datetime.combine(day, self.start, zone).astimezone(UTC), datetime.combine(last, self.end, zone).astimezone(UTC))

    def openings(self, zone: ZoneInfo, after: datetime) -> Iterator[Span]:
        """Windows that end after this moment, oldest first; the first may be open already."""
        day = after.astimezone(zone).date() - timedelta(days=1)
        until = day + LOOK_AHEAD
        while day <= until:
            span = self.on(day, zone)
            if day.weekday() in self.days and span.end > max(after, span.start):
                yield span
            day += timedelta(days=1)


USUAL = Window(time(1, 0), time(5, 0))
"""Of a clinic that chose none: the small hours, every day."""


def first_common(openings: Iterable[Span], slots: Iterable[Span], *, at: datetime, needs: timedelta) -> datetime | None:
    """The first moment, not before `at`, from which `needs` fits into an opening and a slot; None where there is none."""
    free = sorted(slots)
    for opening in openings:
        for slot in free:
            begin = max(opening.start, slot.start, at)
            if begin + needs <= min(opening.end, slot.end):
                return begin
    return None

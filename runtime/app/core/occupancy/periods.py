"""Busy periods and the gaps between them. Pure; imported by modules, so it needs neither FastAPI nor SQLAlchemy."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """From `start` up to, not including, `end`; both with a time zone."""

    start: datetime
    end: datetime


def gaps(busy: Iterable[Period], within: Period, *, least: timedelta) -> list[Period]:
    """What `busy` leaves free in `within`, oldest first, as far as it lasts at least `least`. Busy periods may overlap in any way."""
    found, free_from = [], within.start
    for period in sorted(busy):
        if min(period.start, within.end) - free_from >= least:
            found.append(Period(free_from, min(period.start, within.end)))
        free_from = max(free_from, period.end)
    if within.end - free_from >= least:
        found.append(Period(free_from, within.end))
    return found

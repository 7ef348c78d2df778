"""Which backups are kept. Pure: grandfather, father, son on the clinic's calendar, and what the law's pack says beyond it.

Everything of the last two days is kept; then the last of each day, of each week, of each month, and, where the pack of the clinic's
country names a term for backups, of each year.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from control_plane.compliance.requirements import Requirements

ALL_FOR: Final = timedelta(hours=48)
TERM: Final = "backups"
"""The pack's term that keeps the last backup of each year."""


@dataclass(frozen=True, slots=True)
class Scheme:
    days: int = 7
    weeks: int = 5
    months: int = 12
    years: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """A backup as retention sees it."""

    id: UUID
    taken_at: datetime
    keep_until: date | None = None


def scheme_of(requirements: Requirements) -> Scheme:
    term = requirements.profile.retention.get(TERM)
    return Scheme(years=term.years if term is not None and term.years is not None else 0)


def superfluous(backups: Iterable[Kept], scheme: Scheme, *, zone: str, now: datetime) -> list[UUID]:
    """The backups nothing asks for any more, oldest first. The newest always stays."""
    newest_first = sorted(backups, key=lambda one: one.taken_at, reverse=True)
    kept = {one.id for one in newest_first if now - one.taken_at < ALL_FOR} | {one.id for one in newest_first[:1]}
    days = {one.id: one.taken_at.astimezone(ZoneInfo(zone)).date() for one in newest_first}
    today = now.astimezone(ZoneInfo(zone)).date()
    for period_of, count in _periods(scheme):
        kept |= _last_of_each([(one.id, period_of(days[one.id])) for one in newest_first], count)
    kept |= {one.id for one in newest_first if one.keep_until is not None and one.keep_until >= today}
    return [one.id for one in reversed(newest_first) if one.id not in kept]


def _periods(scheme: Scheme) -> Iterable[tuple[Callable[[date], object], int]]:
    yield (lambda day: day), scheme.days
    yield (lambda day: day.isocalendar()[:2]), scheme.weeks
    yield (lambda day: (day.year, day.month)), scheme.months
    yield (lambda day: day.year), scheme.years


def _last_of_each(newest_first: Sequence[tuple[UUID, object]], count: int) -> set[UUID]:
    """The newest of each of the last `count` periods that have any."""
    seen: dict[object, UUID] = {}
    for one, period in newest_first:
        if period not in seen and len(seen) < count:
            seen[period] = one
    return set(seen.values())

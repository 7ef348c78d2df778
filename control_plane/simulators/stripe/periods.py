"""Billing periods and shares of them. Pure; moments are seconds since 1970, amounts are in the smallest unit of the currency."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final

DAY: Final = 86_400
_DAYS: Final = {"day": 1, "week": 7}
_MONTHS: Final = {"month": 1, "year": 12}


def period_at(anchor: int, interval: str, count: int, moment: int) -> tuple[int, int]:
    """The period [start, end) around `moment`, counted from the anchor; a month without its day ends earlier."""
    number = 0
    while _after(anchor, interval, count, number + 1) <= moment:
        number += 1
    return _after(anchor, interval, count, number), _after(anchor, interval, count, number + 1)


def _after(anchor: int, interval: str, count: int, number: int) -> int:
    begun = datetime.fromtimestamp(anchor, UTC)
    if interval in _DAYS:
        return int((begun + timedelta(days=_DAYS[interval] * count * number)).timestamp())
    months = begun.year * 12 + begun.month - 1 + _MONTHS[interval] * count * number
    year, month = divmod(months, 12)
    day = min(begun.day, monthrange(year, month + 1)[1])
    return int(begun.replace(year=year, month=month + 1, day=day).timestamp())


def share(amount: int, start: int, end: int, moment: int) -> int:
    """What is left of an amount for [start, end) from `moment` on, rounded half up."""
    left = max(0, min(end, end - max(moment, start)))
    return rounded(Fraction(amount * left, end - start))


def tax(amount: int, percentage: float) -> int:
    return rounded(Fraction(amount) * Fraction(str(percentage)) / 100)


def rounded(value: Fraction) -> int:
    """Half away from zero."""
    doubled = abs(value) * 2
    whole = (doubled.numerator + doubled.denominator) // (2 * doubled.denominator)
    return whole if value >= 0 else -whole

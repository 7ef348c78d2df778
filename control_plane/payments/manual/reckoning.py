"""Arithmetic of bank transfer's books: periods, and what a change in the middle of one costs. Pure."""

import calendar
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from control_plane.payments.values import CENT, InvoiceLine, Item

ZERO = Decimal("0.00")
UNUSED, REMAINING = ": unused time", ": remaining time"
"""What lines of a change in the middle of a period say after what they are for."""


def rounded(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def month_after(moment: datetime, anchor: datetime) -> datetime:
    """The anchor's day and time in the next month; its last day where it has no such day (31 January → 28 February → 31 March)."""
    year, month = (moment.year + 1, 1) if moment.month == 12 else (moment.year, moment.month + 1)
    return anchor.replace(year=year, month=month, day=min(anchor.day, calendar.monthrange(year, month)[1]))


def tax_on(net: Decimal, percent: Decimal) -> Decimal:
    """Rounded half up, once, on the whole invoice."""
    return rounded(net * percent / 100)


def month_lines(items: Mapping[str, Item], starts: datetime, ends: datetime) -> tuple[InvoiceLine, ...]:
    return tuple(InvoiceLine(item.title, item.amount, starts, ends, proration=False) for _, item in sorted(items.items()))


def change_lines(
    before: Mapping[str, Item], after: Mapping[str, Item], *, starts: datetime, ends: datetime, at: datetime
) -> tuple[InvoiceLine, ...]:
    """What changes from `at` to the end of the period: the rest of what goes is given back, the rest of what comes is charged. Each line is
    rounded, and the sum of the lines is what is charged.
    """
    left = Decimal(str(max(0.0, min(1.0, (ends - at) / (ends - starts)))))
    return tuple(_change_lines(before, after, left, at, ends))


def _change_lines(
    before: Mapping[str, Item], after: Mapping[str, Item], left: Decimal, at: datetime, ends: datetime
) -> Iterator[InvoiceLine]:
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if old is not None and new is not None and old.amount == new.amount:
            continue
        if old is not None and old.amount:
            yield InvoiceLine(f"{old.title}{UNUSED}", -rounded(old.amount * left), at, ends, proration=True)
        if new is not None and new.amount:
            yield InvoiceLine(f"{new.title}{REMAINING}", rounded(new.amount * left), at, ends, proration=True)


def total_of(lines: tuple[InvoiceLine, ...]) -> Decimal:
    return sum((line.amount for line in lines), ZERO)

"""What a reseller gets of an invoice, as a pure function of how the invoice stands and what was agreed when it was written.

Deriving is level-triggered: whatever the ledger says already is subtracted, so that deriving twice adds nothing, and an event that is
missed, repeated or late changes no sum. Refunds and disputes take back what they are of; a dispute that was won brings it back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Final

CENT: Final = Decimal("0.01")
ZERO: Final = Decimal("0.00")


class EntryKind(StrEnum):
    PAID = "paid"
    REFUNDED = "refunded"
    DISPUTED = "disputed"


@dataclass(frozen=True, slots=True)
class Collected:
    """How an invoice stands, tax included, but for `net`: the part of `total` that is not tax."""

    net: Decimal
    total: Decimal
    paid: Decimal = ZERO
    refunded: Decimal = ZERO
    disputed: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Share:
    """`gross` and `base` (the same net) of what moved, and what the reseller gets of it."""

    gross: Decimal = ZERO
    base: Decimal = ZERO
    amount: Decimal = ZERO

    def __sub__(self, other: "Share") -> "Share":
        return Share(self.gross - other.gross, self.base - other.base, self.amount - other.amount)

    def __add__(self, other: "Share") -> "Share":
        return Share(self.gross + other.gross, self.base + other.base, self.amount + other.amount)

    def __bool__(self) -> bool:
        return bool(self.gross or self.base or self.amount)


NOTHING: Final = Share()


def commission(state: Collected, percent: Decimal) -> Decimal:
    """What the reseller is owed for an invoice that stands so: a part of the net amount that was paid and is still kept."""
    return _share(_kept(state), state, percent).amount


def shares(state: Collected, percent: Decimal) -> dict[EntryKind, Share]:
    """What belongs into the ledger under each kind; together exactly `commission`, since each is rounded as a difference of sums."""
    after_refunds = Collected(state.net, state.total, state.paid, state.refunded)
    paid = _share(state.paid, state, percent)
    without_refunds = _share(_kept(after_refunds), state, percent)
    kept = _share(_kept(state), state, percent)
    return {EntryKind.PAID: paid, EntryKind.REFUNDED: without_refunds - paid, EntryKind.DISPUTED: kept - without_refunds}


def missing(state: Collected, percent: Decimal, written: Mapping[EntryKind, Share]) -> dict[EntryKind, Share]:
    """The lines to add to a ledger that says `written` of this invoice: none where it is complete."""
    differences = {kind: wanted - written.get(kind, NOTHING) for kind, wanted in shares(state, percent).items()}
    return {kind: difference for kind, difference in differences.items() if difference}


def _kept(state: Collected) -> Decimal:
    """Of what was paid; a payment that was both refunded and disputed is lost once."""
    return max(ZERO, state.paid - state.refunded - state.disputed)


def _share(gross: Decimal, state: Collected, percent: Decimal) -> Share:
    if not state.total or not gross:
        return Share(gross)
    base = _cents(gross * state.net / state.total)
    return Share(gross, base, _cents(base * percent / 100))


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)

"""How a clinic begins to pay: what may be chosen at sign-up, what is due today and when the first payment is. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from control_plane.plans import Quote, Tariff

ZERO: Final = Decimal("0.00")


class Payment(StrEnum):
    """The values of the form's field."""

    TRIAL = "trial"
    """First the trial, and a card when it pleases: without one the clinic pauses when the trial ends."""
    CARD = "card"
    """The card at once. With a trial in the tariff nothing is charged before it ends."""
    INVOICE = "invoice"
    """By bank transfer: the first invoice comes when the trial is over."""


@dataclass(frozen=True, slots=True)
class Doors:
    """By which ways this platform is paid at all."""

    cards: bool = False
    transfers: bool = False
    card_first: bool = False
    """Whether it opens no clinic without a card, where cards can be taken."""


@dataclass(frozen=True, slots=True)
class Terms:
    choices: tuple[Payment, ...]
    """The first is proposed; none where this platform collects nothing."""
    trial_days: int
    trial_ends: date | None
    """The day of the first payment; None where there is no trial."""

    @classmethod
    def of(cls, tariff: Tariff, doors: Doors, today: date) -> "Terms":
        ends = today + timedelta(days=tariff.trial_days) if tariff.trial_days else None
        choices: tuple[Payment, ...] = ()
        if doors.cards:
            choices = (Payment.CARD,) if doors.card_first or ends is None else (Payment.TRIAL, Payment.CARD)
        if doors.transfers:
            choices = (*choices, Payment.INVOICE)
        return cls(choices, tariff.trial_days, ends)

    def chosen(self, typed: str) -> Payment | None:
        """What the form says, or what is proposed where it says nothing that is offered; None where nothing is collected."""
        return next((one for one in self.choices if one.value == typed), self.choices[0] if self.choices else None)

    def due_today(self, payment: Payment | None, quote: Quote) -> Decimal:
        """Net. A card pays at once where there is no trial; everything else begins with nothing."""
        return quote.total if payment is Payment.CARD and self.trial_ends is None else ZERO


def limits_in_order(limits: Mapping[str, int | None]) -> list[tuple[str, int | None]]:
    """As people read them: clinics, users, storage."""
    return [(name, limits.get(name)) for name in ("clinics", "users", "storage_gb")]

"""What travels between the platform and a payment provider. Amounts are Decimals with two places, net unless said; moments are in UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

CENT: Final = Decimal("0.01")


class SubscriptionStatus(StrEnum):
    """As the provider has it."""

    INCOMPLETE = "incomplete"
    """The first payment is not through."""
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    PAUSED = "paused"
    """A trial ended without a card."""
    CANCELED = "canceled"
    EXPIRED = "incomplete_expired"

    @property
    def over(self) -> bool:
        return self in (SubscriptionStatus.CANCELED, SubscriptionStatus.EXPIRED)


class InvoiceStatus(StrEnum):
    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"

    @property
    def owed(self) -> bool:
        return self in (InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE)


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays: a tenant, or the reseller it came by. `reference` is ours and is found again at the provider."""

    reference: str
    email: str
    name: str
    country: str
    locale: str
    tax_id: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is paid for each month."""

    key: str
    """As in a quote: `plan.solo`, `module.agenda`."""
    amount: Decimal
    title: str


@dataclass(frozen=True, slots=True)
class Subscription:
    id: str
    customer: str
    status: SubscriptionStatus
    tenant_id: UUID | None
    """From what we wrote beside it; None for a subscription that is not ours."""
    items: Mapping[str, Decimal]
    currency: str
    trial_ends: datetime | None
    period_ends: datetime
    cancels_at_period_end: bool
    has_method: bool
    """Whether there is a card or a mandate to collect from."""
    created: datetime
    ended: datetime | None
    method: str | None = None
    """Which card or mandate: another id is another card."""


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    text: str
    amount: Decimal
    starts: datetime
    ends: datetime
    proration: bool


@dataclass(frozen=True, slots=True)
class Invoice:
    """`total` includes tax; `refunded` and `disputed` are what was given or taken back of what was paid."""

    id: str
    number: str | None
    customer: str
    subscription: str | None
    status: InvoiceStatus
    currency: str
    net: Decimal
    total: Decimal
    due: Decimal
    paid: Decimal
    created: datetime
    due_at: datetime | None
    paid_at: datetime | None
    attempts: int
    next_attempt: datetime | None
    page: str | None
    """Where a person sees and pays it."""
    lines: tuple[InvoiceLine, ...] = ()
    refunded: Decimal = Decimal("0.00")
    disputed: Decimal = Decimal("0.00")
    pay_to: str | None = None
    """The bank account it is to be paid to, where nothing is collected from a card."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change would cost: `now` is charged at once, `monthly` from the next period on, before tax."""

    now: Decimal
    monthly: Decimal
    currency: str
    lines: tuple[InvoiceLine, ...]
    at: datetime
    """The moment it was reckoned with; confirming with it charges exactly this."""


@dataclass(frozen=True, slots=True)
class Page:
    """Where to send a person, and under which name the provider knows it."""

    id: str
    url: str
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class CheckoutOutcome:
    """What became of a page somebody was sent to."""

    id: str
    open: bool
    done: bool
    customer: str | None
    subscription: str | None


@dataclass(frozen=True, slots=True)
class Happening:
    """An event of the provider: only where to look; what is true is read from the provider."""

    id: str
    kind: str
    created: datetime
    objects: Mapping[str, str] = field(default_factory=dict)
    """{customer | subscription | invoice | charge: id}, as far as it names them."""


def money(minor: int) -> Decimal:
    """Cents as an amount."""
    return Decimal(minor) / 100


def cents(amount: Decimal) -> int:
    return int((amount / CENT).to_integral_value(ROUND_HALF_UP))

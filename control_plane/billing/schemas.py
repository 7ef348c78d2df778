"""Billing as the API takes and shows it. Amounts are strings with two decimals."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from control_plane.billing.models import Agreement, BilledInvoice, PaymentEvent
from control_plane.billing.service import Shown
from control_plane.billing.states import AgreementStatus, PayerKind, ProviderName
from control_plane.operations.schemas import OperationOut
from control_plane.payments.values import InvoiceLine, InvoiceStatus
from control_plane.plans.models import TariffRow
from control_plane.plans.tariff import Amount, Currency, Key, Limits, Quote, Tariff
from control_plane.tenants.schemas import Modules, PlanOut, Request, Words

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Positive = Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=2)]


def _local_path(value: str) -> str:
    if not value.startswith("/") or value.startswith("//") or "\\" in value:
        raise ValueError("must be a path of this platform, beginning with one slash")
    return value


LocalPath = Annotated[str, StringConstraints(max_length=300), AfterValidator(_local_path)]


class Terms(Request):
    plan: Key
    currency: Currency | None = None
    provider: ProviderName | None = None
    trial_days: Annotated[int, Field(ge=0, le=365)] | None = None
    """As long as the tariff offers where nothing is said."""
    prices: dict[str, Amount] = Field(default_factory=dict, max_length=200)
    """Prices of its own by item (`plan.solo`, `module.agenda`); only operators give them."""


class ChangeRequest(Request):
    plan: Key | None = None
    modules: Modules | None = None


class Confirmed(ChangeRequest):
    at: datetime
    confirmation: Annotated[str, StringConstraints(max_length=120)]
    """Both as the preview gave them."""


class PageRequest(Request):
    back: LocalPath = "/"
    """Where the page leads back to."""


class EndRequest(Request):
    reason: Reason


class RefundRequest(Request):
    amount: Positive
    reason: Reason


class TransferRequest(Request):
    amount: Positive
    received_on: date
    reference: Words
    """What the bank's statement says."""


class QuoteLineOut(BaseModel):
    item: str
    module: str | None
    amount: Decimal
    included: bool


class QuoteOut(BaseModel):
    """Net, a month. The lines add up to the total."""

    tariff: str
    plan: str
    currency: str
    lines: list[QuoteLineOut]
    total: Decimal

    @classmethod
    def of(cls, quote: Quote) -> "QuoteOut":
        lines = [QuoteLineOut(item=one.item, module=one.module, amount=one.amount, included=one.included) for one in quote.lines]
        return cls(tariff=quote.tariff, plan=quote.plan, currency=quote.currency, lines=lines, total=quote.total)


class LineOut(BaseModel):
    text: str
    amount: Decimal
    starts: datetime
    ends: datetime
    proration: bool

    @classmethod
    def of(cls, line: InvoiceLine) -> "LineOut":
        return cls(text=line.text, amount=line.amount, starts=line.starts, ends=line.ends, proration=line.proration)


class BillingPreview(BaseModel):
    at: datetime
    confirmation: str
    before: QuoteOut
    after: QuoteOut
    now: Decimal
    """Charged at once, before tax; negative: credited to the next invoice."""
    lines: list[LineOut]
    trial_ends: datetime | None
    """Until then nothing is charged."""
    effects: PlanOut | None
    """What the change does to the clinic, where it changes modules."""

    @classmethod
    def of(cls, shown: Shown) -> "BillingPreview":
        return cls(
            at=shown.at,
            confirmation=shown.confirmation,
            before=QuoteOut.of(shown.before),
            after=QuoteOut.of(shown.after),
            now=shown.now,
            lines=[LineOut.of(line) for line in shown.lines],
            trial_ends=shown.trial_ends,
            effects=shown.effects,
        )


class BillingOut(BaseModel):
    tenant: str
    plan: str
    limits: Limits
    provider: ProviderName
    payer: PayerKind
    status: AgreementStatus
    quote: QuoteOut
    trial_ends: datetime | None
    next_payment_at: datetime | None
    cancels_at_period_end: bool
    has_method: bool
    overdue_since: datetime | None
    agreed_at: datetime
    read_at: datetime | None
    problem: str | None
    demonstration: bool
    """No money moves: the provider is a double."""

    @classmethod
    def show(cls, slug: str, row: Agreement, tariff: Tariff, quote: Quote, *, demonstration: bool) -> "BillingOut":
        return cls(
            tenant=slug,
            plan=row.plan,
            limits=tariff.plan(row.plan).limits,
            provider=row.provider,
            payer=row.payer,
            status=row.status,
            quote=QuoteOut.of(quote),
            trial_ends=row.trial_ends,
            next_payment_at=None if row.cancels_at_period_end or row.status.over else row.period_ends,
            cancels_at_period_end=row.cancels_at_period_end,
            has_method=row.has_method,
            overdue_since=row.overdue_since,
            agreed_at=row.agreed_at,
            read_at=row.read_at,
            problem=row.problem,
            demonstration=demonstration and row.provider is ProviderName.STRIPE,
        )


class BillingChanged(BaseModel):
    billing: BillingOut
    operation: OperationOut | None
    """Reading and telling the provider."""
    modules: OperationOut | None = None
    """Bringing the modules about, where there is something to do."""


class PageOut(BaseModel):
    url: str
    expires: datetime | None


class InvoiceOut(BaseModel):
    id: str
    number: str | None
    provider: ProviderName
    status: InvoiceStatus
    currency: str
    net: Decimal
    total: Decimal
    due: Decimal
    paid: Decimal
    refunded: Decimal
    disputed: Decimal
    created_at: datetime
    due_at: datetime | None
    paid_at: datetime | None
    next_attempt_at: datetime | None
    refused_reason: str | None
    page: str | None
    lines: list[dict[str, Any]]

    @classmethod
    def of(cls, row: BilledInvoice) -> "InvoiceOut":
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class InvoiceList(BaseModel):
    items: list[InvoiceOut]
    next: str | None


class EventOut(BaseModel):
    provider: ProviderName
    id: str
    kind: str
    objects: dict[str, Any]
    happened_at: datetime
    received_at: datetime

    @classmethod
    def of(cls, row: PaymentEvent) -> "EventOut":
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class EventList(BaseModel):
    items: list[EventOut]
    next: str | None


class TariffOut(BaseModel):
    id: str
    digest: str
    valid_from: date
    created_at: datetime
    created_by: str
    tariff: Tariff

    @classmethod
    def of(cls, row: TariffRow) -> "TariffOut":
        return cls(
            id=row.id,
            digest=row.digest,
            valid_from=row.valid_from,
            created_at=row.created_at,
            created_by=row.created_by,
            tariff=Tariff.model_validate(row.document),
        )


class TariffList(BaseModel):
    items: list[TariffOut]


class ProviderOut(BaseModel):
    name: ProviderName
    account: str | None
    """The account it was bound to when it was used first; null before that."""
    demonstration: bool


class ProviderList(BaseModel):
    items: list[ProviderOut]

    @classmethod
    def of(cls, names: Sequence[ProviderName], accounts: Mapping[ProviderName, str], *, demonstration: bool) -> "ProviderList":
        return cls(
            items=[
                ProviderOut(name=name, account=accounts.get(name), demonstration=demonstration and name is ProviderName.STRIPE)
                for name in names
            ]
        )

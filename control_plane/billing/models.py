"""What a tenant agreed to pay, what the provider said about it last, its invoices as they stand there, and the provider's events.

Of everything a provider knows, the provider is right: these rows are what was read of it last, for deciding and for showing.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, CheckConstraint, ForeignKey, Index, Integer, Numeric, Sequence, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.billing.states import AgreementStatus, Begins, PayerKind, ProviderName
from control_plane.database import Base, text_enum
from control_plane.payments.values import InvoiceStatus

READING = Sequence("billing_reading", metadata=Base.metadata)
"""Numbers readings of a provider in the order in which they begin."""
Money = Numeric(12, 2)


class Agreement(Base):
    """One per tenant. Copies and demo tenants have none: nobody pays for them."""

    __tablename__ = "billing_agreement"
    __table_args__ = (
        CheckConstraint("payer = 'clinic' OR reseller_id IS NOT NULL", name="payer_is_known"),
        CheckConstraint("(problem IS NULL) = (problem_since IS NULL)", name="problem_has_time"),
        UniqueConstraint("provider", "subscription"),
        Index("ix_billing_agreement_overdue", "overdue_since", postgresql_where=text("overdue_since IS NOT NULL")),
    )

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"), primary_key=True)
    plan: Mapped[str] = mapped_column(String(40))
    tariff: Mapped[str] = mapped_column(ForeignKey("tariff.id"))
    """What it agreed to, and keeps until it agrees to another."""
    currency: Mapped[str] = mapped_column(String(3))
    provider: Mapped[ProviderName] = mapped_column(text_enum(ProviderName))
    begins: Mapped[Begins] = mapped_column(text_enum(Begins))
    payer: Mapped[PayerKind] = mapped_column(text_enum(PayerKind), default=PayerKind.CLINIC)
    reseller_id: Mapped[UUID | None] = mapped_column(ForeignKey("reseller.id"), index=True)
    """Whom it came by, also where the clinic pays by itself: its commission goes there."""
    prices: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Prices of its own, by item (`module.agenda`): a reseller's. They take the place of the tariff's."""
    agreed_at: Mapped[datetime]
    agreed_by: Mapped[str] = mapped_column(String(120))

    customer: Mapped[str | None] = mapped_column(String(80), index=True)
    checkout: Mapped[str | None] = mapped_column(String(120))
    """The provider's page on which it is being paid now."""
    subscription: Mapped[str | None] = mapped_column(String(80))
    status: Mapped[AgreementStatus] = mapped_column(text_enum(AgreementStatus), default=AgreementStatus.NEW)
    items: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """What is paid for, as the provider has it: {item: amount}."""
    trial_ends: Mapped[datetime | None]
    """Before there is a subscription: until when the trial was promised."""
    period_ends: Mapped[datetime | None]
    """When the next payment is due."""
    cancels_at_period_end: Mapped[bool] = mapped_column(Boolean, default=False)
    cancel_asked: Mapped[bool | None] = mapped_column(Boolean)
    """Somebody said here that it is to end with its period (false: that it is not), and the provider has not been told yet."""
    ends_with_tenant: Mapped[bool] = mapped_column(Boolean, default=False)
    """It ends with its period because the clinic is to be deleted: undoing that takes it back."""
    has_method: Mapped[bool] = mapped_column(Boolean, default=False)
    method: Mapped[str | None] = mapped_column(String(80))
    """The card's or mandate's id, to notice another one."""
    overdue_since: Mapped[datetime | None]
    """Since when the oldest invoice still owed was refused or is past its day; None: nothing is overdue. A trial without a card is not."""

    generation: Mapped[int] = mapped_column(Integer, default=0)
    """The tenant's revision whose modules the items were last made for."""
    prorate_at: Mapped[datetime | None]
    """The moment a confirmed preview was reckoned with, until it is charged."""
    reading: Mapped[int] = mapped_column(BigInteger, default=0)
    """The number of the reading these rows come from: one that began earlier changes nothing."""
    read_at: Mapped[datetime | None]
    look_at: Mapped[datetime]
    """When it is next read by itself: something is to happen then, or long enough nothing did."""
    problem: Mapped[str | None]
    """Why what is at the provider is not what it should be, where a person must act."""
    problem_code: Mapped[str | None] = mapped_column(String(80))
    problem_since: Mapped[datetime | None]


Index("ix_billing_agreement_look_at", Agreement.look_at)


class BilledInvoice(Base):
    """An invoice as it stood when it was read last. Money fields are in `currency`, `total` with tax."""

    __tablename__ = "billed_invoice"
    __table_args__ = (Index("ix_billed_invoice_tenant_id", "tenant_id", "created_at"),)

    provider: Mapped[ProviderName] = mapped_column(text_enum(ProviderName), primary_key=True)
    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    number: Mapped[str | None] = mapped_column(String(80))
    customer: Mapped[str] = mapped_column(String(80))
    subscription: Mapped[str | None] = mapped_column(String(80))
    status: Mapped[InvoiceStatus] = mapped_column(text_enum(InvoiceStatus))
    currency: Mapped[str] = mapped_column(String(3))
    net: Mapped[Decimal] = mapped_column(Money)
    total: Mapped[Decimal] = mapped_column(Money)
    due: Mapped[Decimal] = mapped_column(Money)
    paid: Mapped[Decimal] = mapped_column(Money)
    refunded: Mapped[Decimal] = mapped_column(Money)
    disputed: Mapped[Decimal] = mapped_column(Money)
    lines: Mapped[list[dict[str, Any]]] = mapped_column(JSONB(none_as_null=True))
    """[{text, amount, starts, ends, proration}]"""
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    paid_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(Integer)
    next_attempt_at: Mapped[datetime | None]
    page: Mapped[str | None]
    """Where a person sees and pays it."""
    refused_method: Mapped[str | None] = mapped_column(String(80))
    """The card it was refused with last: with another one it is tried again."""
    refused_reason: Mapped[str | None]
    """In the bank's words."""
    reminded_at: Mapped[datetime | None]
    """When the payer was reminded of a bank transfer that is due soon."""
    reading: Mapped[int] = mapped_column(BigInteger)
    read_at: Mapped[datetime]


class PaymentEvent(Base):
    """An event of a provider, stored once. It says where to look; what is true is read there."""

    __tablename__ = "payment_event"

    provider: Mapped[ProviderName] = mapped_column(text_enum(ProviderName), primary_key=True)
    id: Mapped[str] = mapped_column(String(120), primary_key=True)
    kind: Mapped[str] = mapped_column(String(120))
    objects: Mapped[dict[str, Any]]
    tenant_id: Mapped[UUID | None] = mapped_column(ForeignKey("tenant.id"), index=True)
    """Whose it is, where it names a customer or a subscription of ours."""
    happened_at: Mapped[datetime]
    received_at: Mapped[datetime] = mapped_column(index=True)


class PaymentAccount(Base):
    """The account at a provider in which this platform's customers are: with another one's key nothing is changed."""

    __tablename__ = "payment_account"

    provider: Mapped[ProviderName] = mapped_column(text_enum(ProviderName), primary_key=True)
    account: Mapped[str] = mapped_column(String(120))
    bound_at: Mapped[datetime]

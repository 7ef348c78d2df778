"""Bank transfer's own books. They name a tenant by its id and refer to none of the platform's rows, as any provider's would."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Numeric,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base, text_enum
from control_plane.payments.values import InvoiceStatus, SubscriptionStatus

Money = Numeric(12, 2)


class ManualCustomer(Base):
    """Whom invoices are made out to."""

    __tablename__ = "manual_customer"

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    reference: Mapped[str] = mapped_column(String(80))
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str] = mapped_column(String(254))
    country: Mapped[str] = mapped_column(String(2))
    tax_id: Mapped[str | None] = mapped_column(String(40))


class ManualSubscription(Base):
    __tablename__ = "manual_subscription"
    __table_args__ = (
        CheckConstraint("credit >= 0", name="credit_is_owed_by_us"),
        Index("ix_manual_subscription_due", "period_ends", postgresql_where=text("ended_at IS NULL")),
    )

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    tenant_id: Mapped[UUID]
    customer: Mapped[str] = mapped_column(String(80), index=True)
    status: Mapped[SubscriptionStatus] = mapped_column(text_enum(SubscriptionStatus))
    items: Mapped[dict[str, Any]]
    """{item: {amount, title}}"""
    currency: Mapped[str] = mapped_column(String(3))
    credit: Mapped[Decimal] = mapped_column(Money, default=Decimal("0.00"))
    """What the next invoice is lowered by, with tax."""
    trial_ends: Mapped[datetime | None]
    anchor: Mapped[datetime]
    """Periods end on its day of the month, or on the last where there is none such."""
    period_starts: Mapped[datetime]
    period_ends: Mapped[datetime]
    cancels_at_period_end: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class ManualInvoice(Base):
    """Issued invoices keep what they say: corrections are credits."""

    __tablename__ = "manual_invoice"
    __table_args__ = (
        CheckConstraint("total = net + tax", name="adds_up"),
        CheckConstraint("credited >= 0 AND credited <= total", name="credited_within_total"),
    )

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    number: Mapped[str] = mapped_column(String(40), unique=True)
    """Without a gap within a year."""
    subscription: Mapped[str] = mapped_column(ForeignKey("manual_subscription.id"))
    customer: Mapped[str] = mapped_column(String(80), index=True)
    status: Mapped[InvoiceStatus] = mapped_column(text_enum(InvoiceStatus))
    currency: Mapped[str] = mapped_column(String(3))
    net: Mapped[Decimal] = mapped_column(Money)
    tax: Mapped[Decimal] = mapped_column(Money)
    total: Mapped[Decimal] = mapped_column(Money)
    credited: Mapped[Decimal] = mapped_column(Money, default=Decimal("0.00"))
    """Of the total, what was paid from earlier credit."""
    lines: Mapped[list[dict[str, Any]]] = mapped_column(JSONB(none_as_null=True))
    billed_to: Mapped[dict[str, Any]]
    tax_percent: Mapped[Decimal | None] = mapped_column(Numeric(5, 2))
    issuer: Mapped[str | None]
    """Name and address of whoever sends it."""
    pay_to: Mapped[str | None]
    """The bank account. This and the two before are None on invoices older than their being kept."""
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]


class ManualPayment(Base):
    """Money that arrived (positive) or was sent back (negative). Never changed: a mistake is recorded the other way round."""

    __tablename__ = "manual_payment"
    __table_args__ = (UniqueConstraint("invoice", "key"), CheckConstraint("amount <> 0", name="moves_something"))

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    invoice: Mapped[str] = mapped_column(ForeignKey("manual_invoice.id"))
    key: Mapped[str] = mapped_column(String(200))
    """Recording the same thing twice is once."""
    amount: Mapped[Decimal] = mapped_column(Money)
    received_on: Mapped[date] = mapped_column(Date)
    reference: Mapped[str] = mapped_column(String(200))
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str] = mapped_column(String(120))


class ManualNumber(Base):
    """The last invoice number of each year; its row is locked while one is given."""

    __tablename__ = "manual_number"

    year: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    last: Mapped[int] = mapped_column(Integer)

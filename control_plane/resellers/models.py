"""What was agreed with resellers, whose a tenant is and was, and what was earned. Terms, price books and the ledger are only added to."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base, text_enum
from control_plane.resellers.commission import EntryKind
from control_plane.resellers.states import MACHINE, TransferEvent, TransferState
from control_plane.resellers.terms import Payer, Terms


class ResellerTerms(Base):
    """What was agreed from a moment on, until the next row's; never backdated, so nothing that was earned changes."""

    __tablename__ = "reseller_terms"
    __table_args__ = (
        Index("ix_reseller_terms_in_force", "reseller_id", "valid_from", "number"),
        CheckConstraint("valid_from >= created_at", name="never_backdated"),
        CheckConstraint("wholesale_percent BETWEEN 0 AND 100", name="wholesale_is_a_part"),
        CheckConstraint("commission_percent BETWEEN 0 AND 100", name="commission_is_a_part"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    reseller_id: Mapped[UUID] = mapped_column(ForeignKey("reseller.id"))
    valid_from: Mapped[datetime]
    max_tenants: Mapped[int | None] = mapped_column(Integer)
    max_demos: Mapped[int | None] = mapped_column(Integer, server_default="3")
    modules: Mapped[list[str] | None]
    regions: Mapped[list[str] | None]
    wholesale_percent: Mapped[Decimal] = mapped_column(Numeric(5, 2))
    commission_percent: Mapped[Decimal] = mapped_column(Numeric(5, 2))
    note: Mapped[str] = mapped_column(String(400))
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(120))

    @property
    def value(self) -> Terms:
        return Terms(
            max_tenants=self.max_tenants,
            max_demos=self.max_demos,
            modules=None if self.modules is None else frozenset(self.modules),
            regions=None if self.regions is None else frozenset(self.regions),
            wholesale_percent=self.wholesale_percent,
            commission_percent=self.commission_percent,
            id=self.id,
        )


class PriceBook(Base):
    """A reseller's own prices. The newest one holds for who signs up; earlier ones stay, since agreements were made with them."""

    __tablename__ = "reseller_price_book"
    __table_args__ = (Index("ix_reseller_price_book_newest", "reseller_id", "number"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    reseller_id: Mapped[UUID] = mapped_column(ForeignKey("reseller.id"))
    tariff: Mapped[str] = mapped_column(String(20))
    """Which tariff's floor it was checked against when it was made."""
    prices: Mapped[dict[str, Any]]
    """{item: {currency: amount}}; what is not in it costs what the tariff says."""
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(120))


class Brand(Base):
    """How a reseller shows itself to its clinics."""

    __tablename__ = "reseller_brand"
    __table_args__ = (CheckConstraint("(logo IS NULL) = (logo_digest IS NULL)", name="logo_whole"),)

    reseller_id: Mapped[UUID] = mapped_column(ForeignKey("reseller.id"), primary_key=True)
    title: Mapped[str] = mapped_column(String(80))
    colour: Mapped[str] = mapped_column(String(7))
    support_email: Mapped[str | None] = mapped_column(String(254))
    website: Mapped[str | None] = mapped_column(String(300))
    logo: Mapped[bytes | None] = mapped_column(LargeBinary)
    logo_digest: Mapped[str | None] = mapped_column(String(64))
    updated_at: Mapped[datetime]


class ResellerTenant(Base):
    """Whose customer a tenant is: who earns by it, and since when. What the reseller may do there is a grant, which the clinic can end."""

    __tablename__ = "reseller_tenant"
    __table_args__ = (
        Index("ix_reseller_tenant_tenant_id", "tenant_id", "since"),
        Index("uq_reseller_tenant_now", "tenant_id", unique=True, postgresql_where=text("until IS NULL")),
        CheckConstraint("until IS NULL OR until >= since", name="ends_after_it_began"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    reseller_id: Mapped[UUID] = mapped_column(ForeignKey("reseller.id"), index=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    payer: Mapped[Payer] = mapped_column(text_enum(Payer))
    since: Mapped[datetime]
    until: Mapped[datetime | None]


class TenantTransfer(Base):
    """A tenant on its way to another reseller, or to none, once everybody concerned has agreed."""

    __tablename__ = "tenant_transfer"
    __table_args__ = (
        CheckConstraint("giving_id IS DISTINCT FROM taking_id", name="goes_somewhere"),
        CheckConstraint("(state = 'requested') = (closed_at IS NULL)", name="closed_when_over"),
        CheckConstraint("state IN ('requested', 'done') OR reason IS NOT NULL", name="not_done_has_reason"),
        Index("uq_tenant_transfer_open", "tenant_id", unique=True, postgresql_where=text("state = 'requested'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"), index=True)
    giving_id: Mapped[UUID | None] = mapped_column(ForeignKey("reseller.id"), index=True)
    """Null: a direct customer of the platform."""
    taking_id: Mapped[UUID | None] = mapped_column(ForeignKey("reseller.id"), index=True)
    payer: Mapped[Payer] = mapped_column(text_enum(Payer))
    """Who pays afterwards."""
    state: Mapped[TransferState] = mapped_column(text_enum(TransferState), default=MACHINE.initial)
    reason: Mapped[str | None]
    """Why it came to nothing."""
    asked_by: Mapped[str] = mapped_column(String(120))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    consents: Mapped[dict[str, Any]]
    """{party: {by, at, note}}: who agreed so far."""
    closed_at: Mapped[datetime | None]

    def move(self, on: TransferEvent, *, at: datetime, reason: str | None = None) -> None:
        self.state = MACHINE.target(self.state, on)
        self.closed_at = None if self.state is TransferState.REQUESTED else at
        self.reason = reason


class CommissionEntry(Base):
    """One line of what a reseller earned or gave back. Never changed: what turns out otherwise is a further line."""

    __tablename__ = "commission_entry"
    __table_args__ = (
        CheckConstraint("amount <> 0 OR base <> 0 OR gross <> 0", name="says_something"),
        Index("ix_commission_entry_statement", "reseller_id", "at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    reseller_id: Mapped[UUID] = mapped_column(ForeignKey("reseller.id"))
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    terms_id: Mapped[UUID | None] = mapped_column(ForeignKey("reseller_terms.id"))
    invoice: Mapped[str] = mapped_column(String(80), index=True)
    """As the payment provider names it."""
    invoice_number: Mapped[str | None] = mapped_column(String(80))
    invoiced_at: Mapped[datetime]
    kind: Mapped[EntryKind] = mapped_column(text_enum(EntryKind))
    currency: Mapped[str] = mapped_column(String(3))
    gross: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    """What was paid or given back by this, tax included."""
    base: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    """The same without tax: what the commission is a part of."""
    percent: Mapped[Decimal] = mapped_column(Numeric(5, 2))
    amount: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    at: Mapped[datetime]


class CommissionStatement(Base):
    """A reseller's month in one currency: the ledger's lines behind `after` up to `through`."""

    __tablename__ = "commission_statement"
    __table_args__ = (
        UniqueConstraint("reseller_id", "month", "currency", name="uq_commission_statement_reseller_id_month_currency"),
        CheckConstraint("carried_in + total = payable + carried_out", name="adds_up"),
        CheckConstraint("payable >= 0 AND carried_in <= 0 AND carried_out <= 0", name="owes_nothing_back"),
        CheckConstraint("(settled_at IS NULL) = (reference IS NULL)", name="settled_with_reference"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    reseller_id: Mapped[UUID] = mapped_column(ForeignKey("reseller.id"))
    month: Mapped[date] = mapped_column(Date)
    """Its first day."""
    currency: Mapped[str] = mapped_column(String(3))
    after: Mapped[int] = mapped_column(BigInteger)
    through: Mapped[int] = mapped_column(BigInteger)
    carried_in: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    """What was given back beyond what was earned in earlier months: zero, or less."""
    total: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    payable: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    carried_out: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    issued_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    settled_by: Mapped[str | None] = mapped_column(String(120))
    reference: Mapped[str | None] = mapped_column(String(200))
    """Of the bank transfer."""

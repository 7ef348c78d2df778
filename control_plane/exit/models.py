"""Exports and their one-time links, and erasures with a receipt per system."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, CheckConstraint, Date, ForeignKey, Identity, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base, text_enum


class ExportKind(StrEnum):
    OWNER = "owner"
    """Asked for by somebody, to take along; removed after some days."""
    FINAL = "final"
    """The last copy of a deleted clinic; kept for as long as the law asks."""


class ExportFormat(StrEnum):
    ARCHIVE = "archive"
    """What `dentalpin export` writes, signed."""
    DUMP = "dump"
    """Of a clinic whose runtime could not export: its database alone, in PostgreSQL's custom format."""


class TenantExport(Base):
    """One archive in the object store, sealed with the tenant's data key."""

    __tablename__ = "tenant_export"
    __table_args__ = (
        Index("uq_tenant_export_operation_id", "operation_id", unique=True),
        Index("ix_tenant_export_due", "kept_until", postgresql_where=text("removed_at IS NULL")),
        CheckConstraint("kind = 'final' OR kept_until IS NOT NULL", name="an_owner_s_copy_ends"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"), index=True)
    operation_id: Mapped[UUID] = mapped_column(ForeignKey("operation.id"))
    kind: Mapped[ExportKind] = mapped_column(text_enum(ExportKind))
    format: Mapped[ExportFormat] = mapped_column(text_enum(ExportFormat))
    object_key: Mapped[str] = mapped_column(String(200))
    bytes: Mapped[int] = mapped_column(BigInteger)
    """Of the archive as it is downloaded."""
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(120))
    kept_until: Mapped[date | None] = mapped_column(Date)
    """Removed once this day is over; null for a final copy whose term no law fixes: a person decides."""
    reason: Mapped[str]
    """Why it is kept for so long, for a person."""
    downloaded_at: Mapped[datetime | None]
    """When it was first downloaded to its end."""
    removed_at: Mapped[datetime | None]


class ExportLink(Base):
    """A link that downloads once. Only the digest of its token is stored."""

    __tablename__ = "export_link"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    export_id: Mapped[UUID] = mapped_column(ForeignKey("tenant_export.id"), index=True)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(120))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Erasure(Base):
    """A request to erase what is kept of a deleted tenant."""

    __tablename__ = "erasure"
    __table_args__ = (Index("uq_erasure_operation_id", "operation_id", unique=True),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"), index=True)
    operation_id: Mapped[UUID | None] = mapped_column(ForeignKey("operation.id"))
    reason: Mapped[str]
    handed_over: Mapped[bool]
    """The clinic holds its records itself, and its duty to keep them with them: nothing is kept here for it."""
    requested_at: Mapped[datetime]
    requested_by: Mapped[str] = mapped_column(String(120))
    finished_at: Mapped[datetime | None]
    """When all that was to go at once had gone; what is kept goes on its own day."""


class ReceiptStatus(StrEnum):
    ERASED = "erased"
    KEPT = "kept"
    """A law asks for it: `law` and `until` say which and how long."""
    EXPIRES = "expires"
    """Gone by itself on the day `until` at the latest."""
    NOTHING = "nothing"
    """There was nothing."""


class ErasureReceipt(Base):
    """What became of a tenant in one system."""

    __tablename__ = "erasure_receipt"
    __table_args__ = (
        CheckConstraint("status <> 'kept' OR law IS NOT NULL", name="kept_names_the_law"),
        CheckConstraint("status <> 'expires' OR until IS NOT NULL", name="expires_has_a_day"),
        Index("ix_erasure_receipt_due", "until", postgresql_where=text("status = 'kept' AND until IS NOT NULL")),
    )

    erasure_id: Mapped[UUID] = mapped_column(ForeignKey("erasure.id"), primary_key=True)
    system: Mapped[str] = mapped_column(String(40), primary_key=True)
    status: Mapped[ReceiptStatus] = mapped_column(text_enum(ReceiptStatus))
    what: Mapped[str]
    """What was there and what was done, for a person."""
    law: Mapped[str | None]
    until: Mapped[date | None] = mapped_column(Date)
    at: Mapped[datetime]

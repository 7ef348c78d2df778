"""Law as rows: what each legal entity stated, when it holds and when it was known; versions of packs, and editions of all of them."""

from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, CheckConstraint, Date, ForeignKey, Identity, Index, Integer, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base, text_enum
from control_plane.law.states import MACHINE, EditionState


class StatementRow(Base):
    """One fact as one person stated it. It held from `valid_from` until the day before `valid_until`, and was believed from `known_from`
    until `known_until`, when a correction took its place. Rows are only added, and only `known_until` is ever written again.
    """

    __tablename__ = "fact_statement"
    __table_args__ = (
        CheckConstraint("valid_until > valid_from", name="holds_some_day"),
        CheckConstraint("known_until >= known_from", name="known_forwards"),
        Index("ix_fact_statement_tenant_id", "tenant_id", "number"),
        # No two statements of one fact hold on one day by one state of knowledge: an exclusion constraint in the migration.
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    clinic: Mapped[str] = mapped_column(String(40), default="")
    """Which clinic it is about; empty: the legal entity and its first clinic."""
    name: Mapped[str] = mapped_column(String(80))
    value: Mapped[Any] = mapped_column(JSONB(none_as_null=True), nullable=True)
    """Null: nothing is said from then on."""
    valid_from: Mapped[date | None] = mapped_column(Date)
    valid_until: Mapped[date | None] = mapped_column(Date)
    known_from: Mapped[datetime]
    known_until: Mapped[datetime | None]
    stated_by: Mapped[str] = mapped_column(String(120))
    note: Mapped[str | None] = mapped_column(String(500))


class PackVersion(Base):
    """One version of one jurisdiction's pack, named by its digest. Never changed."""

    __tablename__ = "pack_version"

    jurisdiction: Mapped[str] = mapped_column(String(6), primary_key=True)
    digest: Mapped[str] = mapped_column(String(80), primary_key=True)
    document: Mapped[dict[str, Any]]
    origin: Mapped[str] = mapped_column(String(120))
    """`official` (a file of the product) or `upload`."""
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(120))


class Edition(Base):
    """All packs together, as they are applied from a publication on. Tenants are brought to it by a campaign."""

    __tablename__ = "pack_edition"
    __table_args__ = (CheckConstraint("(state = 'published') = (number IS NOT NULL)", name="published_has_number"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int | None] = mapped_column(Integer, unique=True)
    """Rises with each publication."""
    state: Mapped[EditionState] = mapped_column(text_enum(EditionState), default=MACHINE.initial)
    versions: Mapped[dict[str, Any]]
    """Digest by jurisdiction, of every pack."""
    changed: Mapped[list[str]]
    """Jurisdictions that differ from the edition before."""
    note: Mapped[str | None] = mapped_column(String(500))
    effect: Mapped[dict[str, Any] | None]
    """What publishing did, as it was shown before."""
    campaign_id: Mapped[UUID | None]
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(120))
    published_at: Mapped[datetime | None]
    published_by: Mapped[str | None] = mapped_column(String(120))

"""Support accesses, and what was looked at in each. They belong to the tenant, not to a clinic: one runtime serves all of them."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, SmallInteger, String, Text, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base


class SupportAccess(Base):
    """One request of the platform's support, what the clinic said to it, and how it ended. The id is the platform's."""

    __tablename__ = "support_accesses"

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    operator: Mapped[str] = mapped_column(String(254))
    """The person's e-mail address."""
    operator_name: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(Text)
    minutes: Mapped[int] = mapped_column(SmallInteger)
    """How long it lasts once the clinic agreed."""
    state: Mapped[str] = mapped_column(String(20))
    requested_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    """An answer is accepted until then."""
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    decided_by: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    note: Mapped[str | None] = mapped_column(String(500))
    """What the clinic said to it."""
    ends_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    opened_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When the person first came in."""
    token_hash: Mapped[str | None] = mapped_column(String(64))
    """Of the session in force; the person has one at a time."""
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    ended_by: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    """The person of the clinic who revoked it."""
    database_oid: Mapped[int | None] = mapped_column(BigInteger)
    """The database it was asked in. A backup is loaded into another one: what was in force when it was made is over there. Null: asked
    before this was noted."""

    __table_args__ = (UniqueConstraint("token_hash", name="uq_support_accesses_token_hash"),)


class SupportRead(Base):
    """One request the support person sent. Append-only."""

    __tablename__ = "support_reads"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    access_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("support_accesses.id"))
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    method: Mapped[str] = mapped_column(String(10))
    path: Mapped[str] = mapped_column(String(400))

    __table_args__ = (Index("ix_support_reads_access", "access_id", "id"),)

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Identity, String
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base


class AuditEntry(Base):
    """One deed. `position`, `previous` and `link` are set by the database when the deed's transaction commits."""

    __tablename__ = "audit_entry"

    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(120))
    action: Mapped[str] = mapped_column(String(60))
    tenant_id: Mapped[UUID | None] = mapped_column(index=True)
    details: Mapped[dict[str, Any]]
    content: Mapped[str] = mapped_column(String(64))
    """Digest of the columns above (chain.content_of)."""
    position: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    previous: Mapped[str | None] = mapped_column(String(64))
    link: Mapped[str | None] = mapped_column(String(64))


class AuditHead(Base):
    """Where the chain ends: one row, whose lock decides which transaction appends next."""

    __tablename__ = "audit_head"
    __table_args__ = (CheckConstraint("one", name="one"),)

    one: Mapped[bool] = mapped_column(Boolean, primary_key=True, default=True)
    position: Mapped[int] = mapped_column(BigInteger)
    link: Mapped[str] = mapped_column(String(64))

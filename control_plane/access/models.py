"""Operator keys. Only a digest is stored: a key is 256 random bits, so a plain SHA-256 cannot be reversed."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base


class OperatorKey(Base):
    __tablename__ = "operator_key"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(String(80))
    prefix: Mapped[str] = mapped_column(String(20), unique=True)
    """The key's recognisable beginning, safe to show."""
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

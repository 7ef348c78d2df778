"""Answers given, by caller and key, kept for a day."""

from datetime import datetime

from sqlalchemy import Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base


class IdempotentAnswer(Base):
    __tablename__ = "idempotent_answer"

    scope: Mapped[str] = mapped_column(String(120), primary_key=True)
    """The caller: two of them may use the same key."""
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(80))
    status: Mapped[int | None] = mapped_column(Integer)
    media_type: Mapped[str | None] = mapped_column(String(80))
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(index=True)

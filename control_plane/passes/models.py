"""When each periodic pass is due, who runs it, and how it went last."""

from datetime import datetime

from sqlalchemy import BigInteger, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base


class PeriodicPass(Base):
    """One row per pass. The lease runs by the database's clock; `fence` rises with every claim, so an older holder can write nothing."""

    __tablename__ = "periodic_pass"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    due_at: Mapped[datetime]
    owner: Mapped[str | None] = mapped_column(String(120))
    fence: Mapped[int] = mapped_column(BigInteger, default=0)
    until: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    """When it last ended well."""
    failures: Mapped[int] = mapped_column(Integer, default=0)
    """In a row, since it last ended well."""
    failing_since: Mapped[datetime | None]
    reason: Mapped[str | None]
    """Why the last attempt failed; null after one that ended well."""

"""Releases ever seen. The newest is the one last described: an environment that goes back to older packages goes back to their release."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base

NEXT_DESCRIBED = text("nextval('release_described_seq')")


class Release(Base):
    __tablename__ = "release"

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    """sha256:… of exactly what `dentalpin release describe` printed."""
    core_version: Mapped[str] = mapped_column(String(40))
    document: Mapped[dict[str, Any]]
    described: Mapped[int] = mapped_column(BigInteger, server_default=NEXT_DESCRIBED, unique=True)
    """Rises each time this release becomes the newest."""
    registered_at: Mapped[datetime]

"""Releases ever seen. The newest is the one last described: an environment that goes back to older packages goes back to their release."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, String, text
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base, text_enum
from control_plane.releases.channels import Channel

NEXT_DESCRIBED = text("nextval('release_described_seq')")


class Release(Base):
    __tablename__ = "release"
    __table_args__ = (CheckConstraint("yanked_at IS NULL OR yanked_reason IS NOT NULL", name="yanked_has_reason"),)

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    """sha256:… of exactly what `dentalpin release describe` printed."""
    core_version: Mapped[str] = mapped_column(String(40))
    document: Mapped[dict[str, Any]]
    described: Mapped[int] = mapped_column(BigInteger, server_default=NEXT_DESCRIBED, unique=True)
    """Rises each time this release becomes the newest."""
    registered_at: Mapped[datetime]
    environment: Mapped[str | None] = mapped_column(unique=True)
    """The folder whose `bin/dentalpin` is this release; null where nothing holds it any more."""
    replaced_by: Mapped[str | None] = mapped_column(String(80))
    """The release that its environment was changed into."""
    channel: Mapped[Channel] = mapped_column(text_enum(Channel), default=Channel.STABLE, server_default=Channel.STABLE)
    yanked_at: Mapped[datetime | None]
    """Since when no tenant gets it; those that run it stay."""
    yanked_reason: Mapped[str | None]

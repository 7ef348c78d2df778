"""Which form opened which clinic, and the address of its progress page."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base


class Signup(Base):
    """A sent form. Whoever knows its token may follow the clinic's start and correct the owner's address, so only a hash is stored."""

    __tablename__ = "signup"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the token that the form carries and that its progress page has as address."""
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"), index=True)
    fingerprint: Mapped[str] = mapped_column(String(80))
    """Digest of what the form said, so that sending another text with the same token is noticed."""
    created_at: Mapped[datetime] = mapped_column(index=True)

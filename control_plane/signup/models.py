"""Which form opened which clinic, which form waits for a card, and the address of its progress page."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base, text_enum
from control_plane.signup.states import MACHINE, ReservationEvent, ReservationState


class Signup(Base):
    """A sent form. Whoever knows its token may follow the clinic's start and correct the owner's address, so only a hash is stored."""

    __tablename__ = "signup"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the token that the form carries and that its progress page has as address."""
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"), index=True)
    fingerprint: Mapped[str] = mapped_column(String(80))
    """Digest of what the form said, so that sending another text with the same token is noticed."""
    created_at: Mapped[datetime] = mapped_column(index=True)


class Reservation(Base):
    """A sent form whose clinic is opened once a card was given: nothing of the clinic exists before, here or at a deployer."""

    __tablename__ = "signup_reservation"
    __table_args__ = (
        CheckConstraint("state NOT IN ('waiting', 'closing') OR form IS NOT NULL", name="under_way_has_form"),
        Index("ix_signup_reservation_due_at", "due_at", postgresql_where=text("state IN ('waiting', 'closing')")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    """The id its tenant will have: what the provider knows it by from the beginning."""
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    fingerprint: Mapped[str] = mapped_column(String(80))
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str] = mapped_column(String(254), index=True)
    locale: Mapped[str] = mapped_column(String(20))
    form: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """What was typed; emptied when the clinic is open or the sign-up has ended."""
    storefront: Mapped[str | None] = mapped_column(String(40))
    """Whose page it was sent from: a reseller's, by the name in its address; None for the platform's own."""
    state: Mapped[ReservationState] = mapped_column(text_enum(ReservationState), default=MACHINE.initial)
    state_since: Mapped[datetime]
    deadline: Mapped[datetime]
    reason: Mapped[str | None]
    """Why it comes to nothing, or what the last attempt met."""
    refused: Mapped[str | None]
    """Why the clinic cannot be opened although the card was given: what was paid is given back."""
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    """Failed ones in a row."""
    provider: Mapped[str] = mapped_column(String(20))
    customer: Mapped[str | None] = mapped_column(String(80))
    pages: Mapped[int] = mapped_column(Integer, default=0)
    """How many pages were asked for at the provider, this one included: part of the key that makes asking again harmless."""
    checkout: Mapped[str | None] = mapped_column(String(120))
    page: Mapped[str | None]
    page_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(index=True)

    def move(self, on: ReservationEvent, *, at: datetime) -> None:
        self.state, self.state_since = MACHINE.target(self.state, on), at

"""A demonstration's row, beside its tenant's: whose it is, until when, and what became of it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base, text_enum
from control_plane.demos.states import LONGEST, MACHINE, DemoEvent, DemoState


class DemoTenant(Base):
    __tablename__ = "demo"
    __table_args__ = (
        CheckConstraint(f"ends_at <= created_at + interval '{LONGEST.days} days'", name="ends_within_sixty_days"),
        CheckConstraint("(state IN ('erasing', 'erased')) = (ended_at IS NOT NULL)", name="over_has_end"),
        CheckConstraint("(state = 'erased') = (erased_at IS NOT NULL)", name="erased_has_time"),
        CheckConstraint("(state = 'erased') = (look_at IS NULL)", name="looked_at_until_erased"),
        Index("ix_demo_look_at", "look_at", postgresql_where=text("state <> 'erased'")),
        Index("ix_demo_reseller_id", "reseller_id", "number"),
    )

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    reseller_id: Mapped[UUID | None] = mapped_column(ForeignKey("reseller.id"))
    """Null: the platform's operators show it themselves."""
    state: Mapped[DemoState] = mapped_column(text_enum(DemoState), default=MACHINE.initial)
    opened_by: Mapped[str] = mapped_column(String(120))
    created_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    extended_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]
    look_at: Mapped[datetime | None]
    """When something is to be done about it."""
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None] = mapped_column(String(120))
    erased_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    """What its erasure waits for."""

    def move(self, on: DemoEvent) -> None:
        self.state = MACHINE.target(self.state, on)

"""One row per tenant with an agreement: where its payments stand, and what its runtime was told of them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.billing.ladder import Rung, Standing
from control_plane.database import Base, text_enum
from control_plane.standing.states import MACHINE, StandingEvent, Why


class PaymentStanding(Base):
    __tablename__ = "payment_standing"
    __table_args__ = (
        CheckConstraint("(why IS NULL) = (since IS NULL)", name="cause_has_day"),
        CheckConstraint("(announced IS NULL) = (announced_at IS NULL)", name="announced_has_time"),
        CheckConstraint("(extended_until IS NULL) = (extended_because IS NULL)", name="extended_has_reason"),
        Index("ix_payment_standing_look_at", "look_at", postgresql_where=text("look_at IS NOT NULL")),
        Index("ix_payment_standing_state", "state", "tenant_id", postgresql_where=text("state <> 'none'")),
    )

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"), primary_key=True)
    state: Mapped[Rung] = mapped_column(text_enum(Rung), default=MACHINE.initial)
    state_since: Mapped[datetime]
    why: Mapped[Why | None] = mapped_column(text_enum(Why))
    since: Mapped[datetime | None]
    """Since when something is not in order, as it was looked at last."""
    announced: Mapped[Rung | None] = mapped_column(text_enum(Rung))
    """The rung its owner was told of last, until it is taken."""
    announced_at: Mapped[datetime | None]
    next_at: Mapped[datetime | None]
    """When the next rung is taken, should nothing be paid."""
    extended_until: Mapped[datetime | None]
    """Until then no further rung is taken."""
    extended_because: Mapped[str | None] = mapped_column(String(500))
    extended_by: Mapped[str | None] = mapped_column(String(120))
    look_at: Mapped[datetime | None]
    """When time alone may bring something about; null: only a payment does."""
    waits: Mapped[str | None]
    """Why the runtime does not yet run what the rung asks for; tried again at `look_at`."""
    carried: Mapped[str | None] = mapped_column(String(60))
    """Tariff and plan whose limits are in its revision."""
    archive: Mapped[UUID | None] = mapped_column(ForeignKey("backup.id"))
    """The verified backup with which it was archived."""

    def facts(self) -> Standing:
        """As the ladder's pure function takes it."""
        return Standing(self.since, self.state, self.announced, self.announced_at, self.extended_until)

    def move(self, on: StandingEvent, *, at: datetime) -> None:
        self.state, self.state_since = MACHINE.target(self.state, on), at
        self.announced, self.announced_at = None, None

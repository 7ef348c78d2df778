from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base, text_enum
from control_plane.support.states import MACHINE, UNFINISHED, SupportEvent, SupportState

_UNFINISHED = ", ".join(f"'{state.value}'" for state in sorted(UNFINISHED))


class SupportRequest(Base):
    """One request of an operator to look into a clinic, and what the platform last heard of it."""

    __tablename__ = "support_request"
    __table_args__ = (
        CheckConstraint("minutes BETWEEN 1 AND 60", name="an_hour_at_most"),
        CheckConstraint("state <> 'open' OR ends_at IS NOT NULL", name="open_has_end"),
        CheckConstraint("state <> 'failed' OR reason IS NOT NULL", name="failed_has_reason"),
        Index("uq_support_request_unfinished", "tenant_id", "account_id", unique=True, postgresql_where=text(f"state IN ({_UNFINISHED})")),
        Index("ix_support_request_due_at", "due_at", postgresql_where=text(f"state IN ({_UNFINISHED})")),
        Index("ix_support_request_tenant_id", "tenant_id", "number"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    """Who may come in; nobody else."""
    operator: Mapped[str] = mapped_column(String(254))
    operator_name: Mapped[str] = mapped_column(String(200))
    why: Mapped[str]
    """What the clinic is told."""
    minutes: Mapped[int] = mapped_column(Integer)
    state: Mapped[SupportState] = mapped_column(text_enum(SupportState), default=MACHINE.initial)
    reason: Mapped[str | None]
    """Why it is where it is: the runtime does not answer, or cannot be asked."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    due_at: Mapped[datetime]
    """When the runtime is asked next."""
    looked_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(Integer, default=0)
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None] = mapped_column(String(254))
    note: Mapped[str | None] = mapped_column(String(500))
    ends_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    reads: Mapped[int] = mapped_column(Integer, default=0)
    """How many requests the person sent to the clinic's runtime."""

    def move(self, on: SupportEvent) -> None:
        """Raises IllegalTransition."""
        self.state = MACHINE.target(self.state, on)

    @property
    def deadline(self) -> datetime:
        return self.ends_at or self.expires_at

"""Host names of clinics' own. Whoever proves a name has it; a name that is only asked for keeps it from nobody."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base, text_enum
from control_plane.domains.states import MACHINE, DomainEvent, DomainState


class TenantDomain(Base):
    __tablename__ = "tenant_domain"
    __table_args__ = (
        CheckConstraint(
            "(state = 'pending') = (deadline IS NOT NULL) AND (state = 'pending') = (look_at IS NOT NULL)", name="is_looked_for"
        ),
        CheckConstraint("(state IN ('lapsed', 'removed')) = (ended_at IS NOT NULL)", name="over_has_end"),
        Index("uq_tenant_domain_verified", "name", unique=True, postgresql_where=text("state = 'verified'")),
        Index("uq_tenant_domain_asked", "tenant_id", "name", unique=True, postgresql_where=text("state IN ('pending', 'verified')")),
        Index("ix_tenant_domain_look_at", "look_at", postgresql_where=text("state = 'pending'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    name: Mapped[str] = mapped_column(String(253))
    """Lower case, without a last dot, as the domain name system has it (`xn--…`)."""
    proof: Mapped[str] = mapped_column(String(64))
    """What its text record has to say."""
    state: Mapped[DomainState] = mapped_column(text_enum(DomainState), default=MACHINE.initial)
    reason: Mapped[str | None]
    """What was found instead of a proof."""
    deadline: Mapped[datetime | None]
    look_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    verified_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    def move(self, on: DomainEvent, *, at: datetime) -> None:
        self.state = MACHINE.target(self.state, on)
        self.deadline = self.look_at = None
        if on is DomainEvent.PROVED:
            self.verified_at, self.reason = at, None
        else:
            self.ended_at = at

    @property
    def record(self) -> str:
        """Under which name the proof is looked for."""
        return f"_dentalpin.{self.name}"

"""Operations, their steps, and the lease under which one worker at a time works on a tenant."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from control_plane.database import Base, text_enum
from control_plane.operations.kinds import OperationKind, StepName
from control_plane.operations.states import MACHINE, OperationEvent, OperationState, StepState


class Operation(Base):
    __tablename__ = "operation"
    __table_args__ = (
        Index("ix_operation_open", "tenant_id", "number", postgresql_where=text("state IN ('queued', 'running', 'waiting')")),
        Index("ix_operation_tenant_id_number", "tenant_id", "number"),
        CheckConstraint("state <> 'failed' OR reason IS NOT NULL", name="failed_has_reason"),
        CheckConstraint("state <> 'waiting' OR reason IS NOT NULL", name="waiting_has_reason"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    """Order of creation; within a tenant, work is done in this order."""
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    kind: Mapped[OperationKind] = mapped_column(text_enum(OperationKind))
    state: Mapped[OperationState] = mapped_column(text_enum(OperationState), default=MACHINE.initial)
    generation: Mapped[int | None] = mapped_column(Integer)
    """Of the revision this is to bring about, where it is about one."""
    reason: Mapped[str | None]
    """Why it waits, failed or was given up, for a person to act on."""
    error_code: Mapped[str | None] = mapped_column(String(80))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_attempt_at: Mapped[datetime]
    deadline: Mapped[datetime]
    replaced_by: Mapped[UUID | None]
    """The later operation that takes its place at the next step boundary."""
    result: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(120))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    steps: Mapped[list["OperationStep"]] = relationship(order_by="OperationStep.position", lazy="selectin", cascade="all, delete-orphan")

    def move(self, on: OperationEvent, *, at: datetime, reason: str | None = None, code: str | None = None) -> None:
        target = MACHINE.target(self.state, on)
        self.state = target
        self.reason, self.error_code = reason, code
        if target is OperationState.RUNNING and self.started_at is None:
            self.started_at = at
        self.finished_at = at if target in {*MACHINE.final, OperationState.FAILED} else None

    def step(self, name: StepName) -> "OperationStep":
        return next(step for step in self.steps if step.name == name)

    @property
    def next_step(self) -> "OperationStep | None":
        """The first step that is not done; None when all are."""
        return next((step for step in self.steps if step.state not in (StepState.DONE, StepState.SKIPPED)), None)


class OperationStep(Base):
    __tablename__ = "operation_step"

    operation_id: Mapped[UUID] = mapped_column(ForeignKey("operation.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[StepName] = mapped_column(text_enum(StepName))
    state: Mapped[StepState] = mapped_column(text_enum(StepState), default=StepState.PENDING)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    reason: Mapped[str | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Lease(Base):
    """Who works on a tenant and until when, by the database's clock. `fence` rises with every claim: an older holder can write nothing."""

    __tablename__ = "tenant_lease"

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"), primary_key=True)
    owner: Mapped[str | None] = mapped_column(String(120))
    fence: Mapped[int] = mapped_column(BigInteger, default=0)
    until: Mapped[datetime | None]
    reconcile_at: Mapped[datetime]
    """When desired and observed are next compared."""

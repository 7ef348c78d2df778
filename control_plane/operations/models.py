"""Operations, their steps, and the lease under which one worker at a time works on a tenant."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from control_plane.database import Base, text_enum
from control_plane.operations.kinds import KINDS, OperationKind, StepName
from control_plane.operations.states import MACHINE, Ask, Direction, OperationEvent, OperationState, StepState
from dentalpin_kit.problems import ErrorClass


@dataclass(frozen=True, slots=True)
class Because:
    """Why something is not done: for a person, for a program, and who can mend it."""

    reason: str
    code: str
    error_class: ErrorClass


class Operation(Base):
    __tablename__ = "operation"
    __table_args__ = (
        Index("ix_operation_open", "tenant_id", "number", postgresql_where=text("state IN ('queued', 'running', 'waiting')")),
        Index("ix_operation_tenant_id_number", "tenant_id", "number"),
        CheckConstraint("state <> 'failed' OR reason IS NOT NULL", name="failed_has_reason"),
        CheckConstraint("state <> 'waiting' OR reason IS NOT NULL", name="waiting_has_reason"),
        CheckConstraint("state NOT IN ('failed', 'waiting') OR error_class IS NOT NULL", name="stuck_has_class"),
        CheckConstraint("direction = 'forward' OR failure IS NOT NULL", name="back_has_failure"),
        Index("ix_operation_failed", "next_attempt_at", postgresql_where=text("state = 'failed'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    """Order of creation; within a tenant, work is done in this order."""
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    kind: Mapped[OperationKind] = mapped_column(text_enum(OperationKind))
    state: Mapped[OperationState] = mapped_column(text_enum(OperationState), default=MACHINE.initial)
    generation: Mapped[int | None] = mapped_column(Integer)
    """Of the revision this is to bring about, where it is about one."""
    params: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """What the request said beyond its kind: a release, a backup."""
    direction: Mapped[Direction] = mapped_column(text_enum(Direction), default=Direction.FORWARD)
    failure: Mapped[dict[str, Any] | None]
    """Why it goes or went back: `reason`, `code`, `class` and the `step` it stood at."""
    asked: Mapped[Ask | None] = mapped_column(text_enum(Ask))
    """What a person asked of it while a worker was at a step; done at that step's end."""
    asked_reason: Mapped[str | None]
    asked_by: Mapped[str | None] = mapped_column(String(120))
    reason: Mapped[str | None]
    """Why it waits, failed or was given up, for a person to act on."""
    error_code: Mapped[str | None] = mapped_column(String(80))
    error_class: Mapped[ErrorClass | None] = mapped_column(text_enum(ErrorClass))
    """Who can mend what it waits for or failed of."""
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

    def move(self, on: OperationEvent, *, at: datetime, because: Because | None = None) -> None:
        """Take the transition; `because` says why it waits or failed, and is forgotten by the next one without."""
        target = MACHINE.target(self.state, on)
        self.state = target
        self.because = because
        if target is OperationState.RUNNING and self.started_at is None:
            self.started_at = at
        self.finished_at = at if target in {*MACHINE.final, OperationState.FAILED} else None

    @property
    def because(self) -> Because | None:
        """Why it waits or failed, or what its last attempt failed of."""
        if self.reason is None:
            return None
        return Because(self.reason, self.error_code or "unexpected", self.error_class or ErrorClass.US)

    @because.setter
    def because(self, because: Because | None) -> None:
        self.reason = because.reason if because else None
        self.error_code = because.code if because else None
        self.error_class = because.error_class if because else None

    def step(self, name: StepName) -> "OperationStep":
        return next(step for step in self.steps if step.name == name)

    def begun(self, name: StepName) -> bool:
        """Whether a step may have left something behind."""
        return any(step.name == name and step.attempts > 0 for step in self.steps)

    @property
    def next_step(self) -> "OperationStep | None":
        """The first step that is not done, of those that lead where it goes; None when all are."""
        names = KINDS[self.kind].back if self.direction is Direction.BACK else KINDS[self.kind].steps
        return next((step for step in self.steps if step.name in names and step.state not in (StepState.DONE, StepState.SKIPPED)), None)


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

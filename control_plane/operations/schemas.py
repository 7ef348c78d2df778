"""An operation as the API shows it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from control_plane.operations.kinds import OperationKind, StepName
from control_plane.operations.models import Operation
from control_plane.operations.states import MACHINE, OperationState, StepState


class StepOut(BaseModel):
    name: StepName
    state: StepState
    attempts: int
    reason: str | None
    started_at: datetime | None
    finished_at: datetime | None


class OperationOut(BaseModel):
    id: UUID
    tenant: str
    kind: OperationKind
    state: OperationState
    finished: bool
    """Whether nothing more happens by itself: also of a failed one, which waits for a retry."""
    revision: int | None
    reason: str | None
    error_code: str | None
    attempts: int
    next_attempt_at: datetime | None
    deadline: datetime
    replaced_by: UUID | None
    steps: list[StepOut]
    result: dict[str, Any]
    created_at: datetime
    created_by: str
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, operation: Operation, slug: str) -> "OperationOut":
        finished = operation.state in {*MACHINE.final, OperationState.FAILED}
        return cls(
            id=operation.id,
            tenant=slug,
            kind=operation.kind,
            state=operation.state,
            finished=finished,
            revision=operation.generation,
            reason=operation.reason,
            error_code=operation.error_code,
            attempts=operation.attempts,
            next_attempt_at=operation.next_attempt_at if operation.state is OperationState.WAITING else None,
            deadline=operation.deadline,
            replaced_by=operation.replaced_by,
            steps=[
                StepOut(
                    name=step.name,
                    state=step.state,
                    attempts=step.attempts,
                    reason=step.reason,
                    started_at=step.started_at,
                    finished_at=step.finished_at,
                )
                for step in operation.steps
            ],
            result=operation.result,
            created_at=operation.created_at,
            created_by=operation.created_by,
            started_at=operation.started_at,
            finished_at=operation.finished_at,
        )


class OperationList(BaseModel):
    items: list[OperationOut]

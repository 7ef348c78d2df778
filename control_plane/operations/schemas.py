"""An operation as the API shows it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from control_plane.operations.kinds import STEP_KINDS, OperationKind, StepName
from control_plane.operations.models import Operation
from control_plane.operations.states import MACHINE, Ask, Direction, OperationState, StepState
from dentalpin_kit.problems import ErrorClass


def _goes_on_by_itself(operation: Operation) -> bool:
    failed_for_now = operation.state is OperationState.FAILED and operation.error_class is ErrorClass.TEMPORARY
    return operation.state is OperationState.WAITING or failed_for_now


class StepOut(BaseModel):
    name: StepName
    state: StepState
    attempts: int
    reason: str | None
    started_at: datetime | None
    finished_at: datetime | None
    skippable: bool
    """Whether a person may leave it out."""


class FailureOut(BaseModel):
    reason: str
    code: str
    error_class: ErrorClass = Field(validation_alias="class")
    step: StepName | None


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
    error_class: ErrorClass | None
    """Who can mend what it waits for or failed of: `user` (whoever asked), `us` (the platform's operators), `temporary` (tried again)."""
    params: dict[str, Any]
    direction: Direction
    failure: FailureOut | None
    """Why it goes or went back."""
    asked: Ask | None
    """What is done at the end of the step a worker is at."""
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
            error_class=operation.error_class,
            params=operation.params,
            direction=operation.direction,
            failure=FailureOut.model_validate(operation.failure) if operation.failure else None,
            asked=operation.asked,
            attempts=operation.attempts,
            next_attempt_at=operation.next_attempt_at if _goes_on_by_itself(operation) else None,
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
                    skippable=STEP_KINDS[step.name].skippable,
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
    next: str | None
    """Pass as `after` for the following page; null on the last."""

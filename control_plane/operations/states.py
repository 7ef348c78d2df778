"""Life of an operation. The diagram in docs/reference/states.md is generated from MACHINE."""

from enum import StrEnum
from typing import Final

from control_plane.transitions import StateMachine, Transition


class OperationState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    """Between two attempts; `next_attempt_at` and `reason` say when and why."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


class OperationEvent(StrEnum):
    CLAIMED = "claimed"
    PUT_OFF = "put off"
    DONE = "done"
    GAVE_UP = "gave up"
    REPLACED = "replaced by a later change"
    DELETED = "tenant deleted"
    RETRIED = "retried"


OPEN: Final = (OperationState.QUEUED, OperationState.RUNNING, OperationState.WAITING)

S, E = OperationState, OperationEvent
MACHINE: Final = StateMachine(
    "The operation",
    initial=S.QUEUED,
    final=frozenset({S.SUCCEEDED, S.SUPERSEDED, S.CANCELLED}),
    transitions=(
        Transition(S.QUEUED, E.CLAIMED, S.RUNNING),
        Transition(S.WAITING, E.CLAIMED, S.RUNNING),
        # A worker died in the middle: its lease ended and another one goes on.
        Transition(S.RUNNING, E.CLAIMED, S.RUNNING),
        Transition(S.RUNNING, E.PUT_OFF, S.WAITING),
        Transition(S.RUNNING, E.DONE, S.SUCCEEDED),
        *(Transition(source, E.GAVE_UP, S.FAILED) for source in OPEN),
        *(Transition(source, E.REPLACED, S.SUPERSEDED) for source in (*OPEN, S.FAILED)),
        *(Transition(source, E.DELETED, S.CANCELLED) for source in OPEN),
        Transition(S.FAILED, E.RETRIED, S.QUEUED),
    ),
)
del S, E


class StepState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"

"""Life of an operation. Diagram and table in docs/reference/states.md are generated from MACHINE."""

from enum import StrEnum
from typing import Final

from control_plane.transitions import About, Standing, StateMachine, Transition


class OperationState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    """Between two attempts; `next_attempt_at` and `reason` say when and why."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    """It could not be done, and what it had begun was taken back; `failure` says why."""
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


class OperationEvent(StrEnum):
    CLAIMED = "claimed"
    PUT_OFF = "put off"
    DONE = "done"
    GAVE_UP = "gave up"
    WENT_BACK = "back to queue, backwards"
    ROLLED_BACK = "everything taken back"
    REPLACED = "replaced by a later change"
    DELETED = "tenant deleted"
    CANCELLED = "cancelled by a person"
    RETRIED = "retried"


class Direction(StrEnum):
    """Whether an operation goes through its steps, or through those that take them back."""

    FORWARD = "forward"
    BACK = "back"


class Ask(StrEnum):
    """What a person can ask of an operation while a worker is at it."""

    CANCEL = "cancel"
    ROLL_BACK = "roll_back"


OPEN: Final = (OperationState.QUEUED, OperationState.RUNNING, OperationState.WAITING)

S, E = OperationState, OperationEvent
_BEGUN: Final = "of its kind, from the request, the retry or the turning back; past it the operation gives up"
MACHINE: Final = StateMachine(
    "The operation",
    initial=S.QUEUED,
    final=frozenset({S.SUCCEEDED, S.ROLLED_BACK, S.SUPERSEDED, S.CANCELLED}),
    transitions=(
        Transition(S.QUEUED, E.CLAIMED, S.RUNNING),
        Transition(S.WAITING, E.CLAIMED, S.RUNNING),
        # A worker died in the middle: its lease ended and another one goes on.
        Transition(S.RUNNING, E.CLAIMED, S.RUNNING),
        Transition(S.RUNNING, E.PUT_OFF, S.WAITING),
        Transition(S.RUNNING, E.DONE, S.SUCCEEDED),
        Transition(S.RUNNING, E.ROLLED_BACK, S.ROLLED_BACK),
        *(Transition(source, E.GAVE_UP, S.FAILED) for source in OPEN),
        *(Transition(source, E.WENT_BACK, S.QUEUED) for source in (*OPEN, S.FAILED)),
        *(Transition(source, E.REPLACED, S.SUPERSEDED) for source in (*OPEN, S.FAILED)),
        *(Transition(source, E.DELETED, S.CANCELLED) for source in OPEN),
        *(Transition(source, E.CANCELLED, S.CANCELLED) for source in (*OPEN, S.FAILED)),
        Transition(S.FAILED, E.RETRIED, S.QUEUED),
    ),
    about={
        S.QUEUED: About(Standing.UNDER_WAY, "Nobody works on it yet.", _BEGUN, "cancel; unstick the tenant"),
        S.RUNNING: About(Standing.UNDER_WAY, "A worker is at one of its steps.", _BEGUN, "cancel, roll back; unstick the tenant"),
        S.WAITING: About(
            Standing.UNDER_WAY, "An attempt failed and is repeated at `next_attempt_at`.", _BEGUN, "retry now, skip, cancel, roll back"
        ),
        S.SUCCEEDED: About(Standing.FINAL, "Every step is done."),
        S.FAILED: About(
            Standing.STUCK, "Given up; `reason` and `error_class` say why and who can mend it.", "", "retry, skip, cancel, roll back"
        ),
        S.ROLLED_BACK: About(Standing.FINAL, "It failed and was taken back, data included; `failure` says why."),
        S.SUPERSEDED: About(Standing.FINAL, "A later request took its place."),
        S.CANCELLED: About(Standing.FINAL, "By a person, or because the tenant is being deleted."),
    },
)
del S, E


class StepState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"

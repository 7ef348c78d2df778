from typing import ClassVar
from uuid import UUID

from control_plane.errors import Conflict, NotFound
from dentalpin_kit.problems import ErrorClass


class UnknownOperation(NotFound):
    code: ClassVar[str] = "unknown_operation"

    def __init__(self, operation_id: UUID) -> None:
        super().__init__(f"There is no operation {operation_id}. The tenant's own page names its last one.", operation=str(operation_id))


class OperationNotRetryable(Conflict):
    code: ClassVar[str] = "operation_not_failed"

    def __init__(self, operation_id: UUID, state: str) -> None:
        super().__init__(
            f"The operation {operation_id} is {state}; only one that failed or waits can be retried or have its step left out.",
            operation=str(operation_id),
            state=state,
        )


class OperationOutdated(Conflict):
    code: ClassVar[str] = "operation_outdated"

    def __init__(self, operation_id: UUID) -> None:
        super().__init__(f"A later operation took the place of {operation_id}. Retry that one.", operation=str(operation_id))


class OperationOver(Conflict):
    code: ClassVar[str] = "operation_over"

    def __init__(self, operation_id: UUID, state: str) -> None:
        super().__init__(
            f"The operation {operation_id} is {state.replace('_', ' ')}, or a later one takes its place: nothing is left to stop.",
            operation=str(operation_id),
            state=state,
        )


class PastCancelling(Conflict):
    """From some step on, stopping half-way would leave worse than finishing."""

    code: ClassVar[str] = "operation_past_cancelling"

    def __init__(self, operation_id: UUID, step: str | None) -> None:
        why = f"its step {step} has begun, and half of it is worse than all" if step else "it is being taken back already"
        super().__init__(
            f"The operation {operation_id} can no longer be cancelled: {why}. Let it end, or retry it where it failed.",
            operation=str(operation_id),
            step=step,
        )


class NoWayBack(Conflict):
    code: ClassVar[str] = "operation_has_no_way_back"

    def __init__(self, operation_id: UUID, kind: str, *, under_way: bool) -> None:
        why = "it is being taken back already; retry it where it failed" if under_way else f"nothing takes back {kind!r}; cancel it"
        super().__init__(f"The operation {operation_id} cannot be rolled back: {why}.", operation=str(operation_id), kind=kind)


class StepNotSkippable(Conflict):
    code: ClassVar[str] = "step_not_skippable"

    def __init__(self, operation_id: UUID, step: str | None) -> None:
        super().__init__(
            f"The step {step or 'it stands at'} of operation {operation_id} cannot be left out: what follows needs it. Mend what its "
            "reason names and retry, or cancel the operation.",
            operation=str(operation_id),
            step=step,
        )


class TenantBusy(Conflict):
    code: ClassVar[str] = "tenant_busy"
    error_class: ClassVar[ErrorClass] = ErrorClass.TEMPORARY

    def __init__(self, slug: str, what: str, operation: str) -> None:
        super().__init__(
            f"{slug!r} is in the middle of another operation ({what}). Wait for its end, or cancel it: `GET /v1/operations/{operation}`.",
            slug=slug,
            operation=operation,
        )

from typing import ClassVar
from uuid import UUID

from control_plane.errors import Conflict, NotFound


class UnknownOperation(NotFound):
    code: ClassVar[str] = "unknown_operation"

    def __init__(self, operation_id: UUID) -> None:
        super().__init__(f"There is no operation {operation_id}. The tenant's own page names its last one.", operation=str(operation_id))


class OperationNotFailed(Conflict):
    code: ClassVar[str] = "operation_not_failed"

    def __init__(self, operation_id: UUID, state: str) -> None:
        super().__init__(
            f"The operation {operation_id} is {state}; only a failed one can be retried.", operation=str(operation_id), state=state
        )


class OperationOutdated(Conflict):
    code: ClassVar[str] = "operation_outdated"

    def __init__(self, operation_id: UUID) -> None:
        super().__init__(f"A later operation took the place of {operation_id}. Retry that one.", operation=str(operation_id))

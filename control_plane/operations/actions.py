"""What a person can do about an operation: retry, skip, cancel, roll back. Each is refused where it would break what the tables promise.

The caller holds the tenant's row lock and then the operation's. Of an operation a worker is at, the answer is written down and given at the
end of the step, so that no step is cut in the middle and none is done twice at a time.
"""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.audit import service as audit
from control_plane.operations import ending, service
from control_plane.operations.errors import (
    NoWayBack,
    OperationNotRetryable,
    OperationOutdated,
    OperationOver,
    PastCancelling,
    StepNotSkippable,
)
from control_plane.operations.kinds import ASIDE, KINDS, STEP_KINDS
from control_plane.operations.models import Operation
from control_plane.operations.states import OPEN, Ask, Direction, OperationState, StepState
from control_plane.tenants.models import Tenant


async def retry(session: AsyncSession, tenant: Tenant, operation: Operation, *, actor: Actor, at: datetime) -> None:
    """Take a failed operation up where it failed, with a new deadline; let one that waits try at once.

    Raises OperationNotRetryable, OperationOutdated.
    """
    match operation.state:
        case OperationState.WAITING:
            operation.next_attempt_at = at
        case OperationState.FAILED:
            await service.retry(session, tenant, operation, at=at)
        case _:
            raise OperationNotRetryable(operation.id, operation.state)
    audit.record(session, actor, "operation.retried", at=at, tenant_id=tenant.id, operation=str(operation.id))


async def skip(session: AsyncSession, tenant: Tenant, operation: Operation, reason: str, *, actor: Actor, at: datetime) -> None:
    """Leave out the step it stands at, where the table says that nothing needs it, and go on with the next.

    Raises OperationNotRetryable, OperationOutdated, StepNotSkippable.
    """
    step = operation.next_step
    if operation.state not in (OperationState.WAITING, OperationState.FAILED):
        raise OperationNotRetryable(operation.id, operation.state)
    if step is None or not STEP_KINDS[step.name].skippable:
        raise StepNotSkippable(operation.id, step.name if step else None)
    if operation.state is OperationState.FAILED:
        await service.retry(session, tenant, operation, at=at)
    operation.next_attempt_at = at
    step.state, step.reason, step.finished_at = StepState.SKIPPED, f"Left out by {actor.label}: {reason}", at
    audit.record(
        session, actor, "operation.step_skipped", at=at, tenant_id=tenant.id, operation=str(operation.id), step=step.name, reason=reason
    )


async def cancel(session: AsyncSession, tenant: Tenant, operation: Operation, reason: str, *, actor: Actor, at: datetime) -> None:
    """End it without finishing it; where something was left behind that can be taken back, take it back.

    Raises OperationOver, PastCancelling.
    """
    _refuse_over(operation)
    last = KINDS[operation.kind].no_cancel_from
    if operation.direction is Direction.BACK or (last is not None and operation.begun(last) and not ending.leaves_something(operation)):
        raise PastCancelling(operation.id, last if operation.direction is Direction.FORWARD else None)
    await _ask(session, tenant, operation, Ask.CANCEL, reason, actor=actor, at=at)


async def roll_back(session: AsyncSession, tenant: Tenant, operation: Operation, reason: str, *, actor: Actor, at: datetime) -> None:
    """Take back what it has done, data included. Raises OperationOver, NoWayBack, OperationOutdated."""
    _refuse_over(operation)
    if not KINDS[operation.kind].back or operation.direction is Direction.BACK:
        raise NoWayBack(operation.id, operation.kind, under_way=operation.direction is Direction.BACK)
    latest = await service.latest_operation(session, tenant.id)
    if operation.state is OperationState.FAILED and operation.kind not in ASIDE and latest is not None and latest.id != operation.id:
        raise OperationOutdated(operation.id)
    await _ask(session, tenant, operation, Ask.ROLL_BACK, reason, actor=actor, at=at)


def _refuse_over(operation: Operation) -> None:
    if operation.state not in (*OPEN, OperationState.FAILED) or operation.replaced_by is not None:
        raise OperationOver(operation.id, operation.state)


async def _ask(session: AsyncSession, tenant: Tenant, operation: Operation, what: Ask, reason: str, *, actor: Actor, at: datetime) -> None:
    operation.asked, operation.asked_reason, operation.asked_by = what, reason, actor.label
    audit.record(
        session,
        actor,
        f"operation.{what.value}_asked",
        at=at,
        tenant_id=tenant.id,
        operation=str(operation.id),
        kind=operation.kind,
        reason=reason,
    )
    if operation.state is not OperationState.RUNNING:
        await ending.answer(session, tenant, operation, at=at)
    await session.flush()

"""How an operation ends, or turns back: what that means to its rows and to its tenant. The caller holds tenant and operation locked."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER
from control_plane.audit import service as audit
from control_plane.operations import service
from control_plane.operations.kinds import KINDS, StepName
from control_plane.operations.models import Because, Operation, OperationStep
from control_plane.operations.states import Ask, Direction, OperationEvent, StepState
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import MACHINE, TenantEvent
from dentalpin_kit.problems import ErrorClass

TAKEN_UP_AFTER: Final = timedelta(minutes=5)
"""When an operation that gave up for something temporary is taken up again by itself."""


async def at_boundary(session: AsyncSession, tenant: Tenant, operation: Operation, *, at: datetime) -> bool:
    """Between two steps: whether the operation ends or turns here, because its place was taken, a person said so, or its time is over."""
    if operation.replaced_by is not None:
        service.end_replaced(operation, await session.get_one(Operation, operation.replaced_by), at=at)
        return True
    if operation.asked is not None:
        await answer(session, tenant, operation, at=at)
        return True
    if at < operation.deadline:
        return False
    step = operation.next_step
    minutes = int(KINDS[operation.kind].deadline.total_seconds() // 60)
    last = operation.because
    where = step.name if step else "its end"
    error_class = last.error_class if last else ErrorClass.US
    ending = "It is taken up again by itself." if error_class is ErrorClass.TEMPORARY else "Retry the operation once that is mended."
    reason = f"Not done within {minutes} minutes; it stood at {where}: {last.reason if last else 'nothing was reported.'} {ending}"
    await give_up(session, tenant, operation, Because(reason, last.code if last else "deadline_passed", error_class), at=at)
    return True


def leaves_something(operation: Operation) -> bool:
    """Whether there is something to take back, and a way to."""
    kind = KINDS[operation.kind]
    if not kind.back or kind.back_from is None or operation.direction is Direction.BACK:
        return False
    return kind.back_from == kind.steps[0] or operation.begun(kind.back_from)


async def give_up(session: AsyncSession, tenant: Tenant, operation: Operation, because: Because, *, at: datetime) -> None:
    """End as failed, or turn back where something was left behind. What is away for now is waited for instead of turning back."""
    if leaves_something(operation) and because.error_class is not ErrorClass.TEMPORARY:
        turn_back(session, tenant, operation, because, at=at)
        return
    step = operation.next_step
    if step is not None:
        step.state, step.reason, step.finished_at = StepState.FAILED, step.reason or because.reason, at
    operation.move(OperationEvent.GAVE_UP, at=at, because=because)
    operation.next_attempt_at = at + TAKEN_UP_AFTER
    _record(session, tenant, operation, "operation.failed", at=at, reason=because.reason, error_class=because.error_class)
    await _tell_tenant(session, tenant, operation, _failure_of(operation), at=at, because=because)


def turn_back(session: AsyncSession, tenant: Tenant, operation: Operation, because: Because, *, at: datetime) -> None:
    """Leave out what is not done yet and queue the steps that take back what is, with a deadline of their own."""
    kind = KINDS[operation.kind]
    step = operation.next_step
    operation.failure = {
        "reason": because.reason,
        "code": because.code,
        "class": because.error_class.value,
        "step": step.name.value if step else None,
    }
    for one in operation.steps:
        if one.state is StepState.DONE or one.name in kind.back:
            continue
        one.state = StepState.FAILED if one is step and one.attempts else StepState.SKIPPED
        one.reason, one.finished_at = one.reason or because.reason, at
    known = {one.name for one in operation.steps}
    for name in kind.back:
        if name not in known:
            operation.steps.append(OperationStep(position=len(operation.steps), name=name))
    operation.direction, operation.asked = Direction.BACK, None
    operation.attempts, operation.next_attempt_at, operation.deadline = 0, at, at + kind.deadline
    operation.move(OperationEvent.WENT_BACK, at=at)
    if kind.start is not None and MACHINE.allows(tenant.state, kind.start):
        tenant.move(kind.start, at=at, deadline=operation.deadline)
    elif tenant.state_deadline is not None and kind.start is not None:
        tenant.state_deadline = operation.deadline
    _record(session, tenant, operation, "operation.turned_back", at=at, reason=because.reason)


async def succeed(session: AsyncSession, tenant: Tenant, operation: Operation, *, at: datetime) -> None:
    """After the last step: done, or everything taken back."""
    kind = KINDS[operation.kind]
    if operation.direction is Direction.BACK:
        failure = operation.failure or {}
        because = Because(failure["reason"], failure["code"], ErrorClass(failure["class"]))
        operation.move(OperationEvent.ROLLED_BACK, at=at, because=because)
        _record(session, tenant, operation, "operation.rolled_back", at=at, reason=because.reason)
        await _tell_tenant(session, tenant, operation, kind.returned, at=at, because=None)
        return
    operation.move(OperationEvent.DONE, at=at)
    _record(session, tenant, operation, "operation.succeeded", at=at)
    if operation.replaced_by is None:
        await _tell_tenant(session, tenant, operation, kind.success, at=at, because=None)
    if kind.success is TenantEvent.REMOVED:
        tenant.deleted_at, tenant.url = at, None


async def answer(session: AsyncSession, tenant: Tenant, operation: Operation, *, at: datetime) -> None:
    """Do what a person asked of an operation nobody is at: turn it back where something was left behind, else cancel it."""
    asked, who = operation.asked, operation.asked_by or "a person"
    words = "Rolled back" if asked is Ask.ROLL_BACK else "Cancelled"
    because = Because(
        f"{words} by {who}: {operation.asked_reason}", "rolled_back" if asked is Ask.ROLL_BACK else "cancelled", ErrorClass.USER
    )
    operation.asked = None
    if leaves_something(operation):
        turn_back(session, tenant, operation, because, at=at)
        return
    step = operation.next_step
    for one in operation.steps:
        if one.state is not StepState.DONE:
            one.state, one.reason = StepState.SKIPPED, because.reason if one is step else one.reason
    operation.move(OperationEvent.CANCELLED, at=at, because=because)
    _record(session, tenant, operation, "operation.cancelled", at=at, reason=because.reason)
    await _tell_tenant(session, tenant, operation, _failure_of(operation), at=at, because=because)


def _failure_of(operation: Operation) -> TenantEvent | None:
    kind = KINDS[operation.kind]
    attested = any(one.name is StepName.ATTEST and one.state is StepState.DONE for one in operation.steps)
    # A clinic that proved its revision serves, even where its invitation could not be sent.
    return kind.success if attested and operation.direction is Direction.FORWARD else kind.failure


async def _tell_tenant(
    session: AsyncSession, tenant: Tenant, operation: Operation, event: TenantEvent | None, *, at: datetime, because: Because | None
) -> None:
    """What the end means to the tenant; nothing where it is under way to what was asked since."""
    if event is None:
        return
    later = [one for one in await service.open_operations(session, tenant.id) if one.id != operation.id and KINDS[one.kind].start]
    if not later and MACHINE.allows(tenant.state, event):
        tenant.move(event, at=at, reason=because.reason if because else None, error_class=because.error_class if because else None)


def _record(session: AsyncSession, tenant: Tenant, operation: Operation, action: str, *, at: datetime, **details: object) -> None:
    audit.record(session, WORKER, action, at=at, tenant_id=tenant.id, operation=str(operation.id), kind=operation.kind, **details)

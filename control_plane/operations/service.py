"""Starting and retrying operations: rows and the tenant's state, in the caller's transaction. The worker notices by itself.

The caller holds the tenant's row lock (`tenants.service.locked`); rows of operations are locked after it, here and in the worker,
so that neither waits for the other in a circle.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.operations.errors import OperationNotRetryable, OperationOutdated, TenantBusy, UnknownOperation
from control_plane.operations.kinds import ASIDE, KINDS, OperationKind
from control_plane.operations.models import Because, Operation, OperationStep
from control_plane.operations.states import OPEN, OperationEvent, OperationState, StepState
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import MACHINE
from dentalpin_kit.problems import ErrorClass


async def start(
    session: AsyncSession,
    tenant: Tenant,
    kind: OperationKind,
    *,
    actor: Actor,
    at: datetime,
    generation: int | None = None,
    params: Mapping[str, Any] | None = None,
    until: datetime | None = None,
) -> Operation:
    """Add an operation and take its tenant where it starts. `params` (JSON) reach its steps as `Work.params`.

    `until` is the deadline of the tenant's new state where that outlasts the operation, as the time in which a deletion can be undone does.
    Older operations that it makes pointless end now, or, where a worker is at them, at that worker's next step boundary.
    Raises IllegalTransition where the tenant cannot take it.
    """
    definition = KINDS[kind]
    deadline = at + definition.deadline
    operation = Operation(
        tenant_id=tenant.id,
        kind=kind,
        generation=generation,
        params=dict(params or {}),
        next_attempt_at=at,
        deadline=deadline,
        result={},
        created_at=at,
        created_by=actor.label,
        steps=[OperationStep(position=position, name=name) for position, name in enumerate(definition.steps)],
    )
    if definition.start is not None:
        tenant.move(definition.start, at=at, deadline=until or deadline)
    session.add(operation)
    await session.flush()
    for older in await open_operations(session, tenant.id, lock=True):
        if older.id != operation.id and (definition.cancels_all or older.kind in definition.supersedes):
            older.replaced_by = operation.id
            if older.state is not OperationState.RUNNING:
                end_replaced(older, operation, at=at)
    await session.flush()
    return operation


def end_replaced(older: Operation, by: Operation, *, at: datetime) -> None:
    """Close an operation whose place another took: cancelled by a deletion, superseded by a later change."""
    for step in older.steps:
        if step.state is not StepState.DONE:
            step.state = StepState.SKIPPED
    if KINDS[by.kind].cancels_all:
        older.move(OperationEvent.DELETED, at=at, because=Because("The tenant is being deleted.", "tenant_deleted", ErrorClass.USER))
    else:
        reason = f"A later request took its place (operation {by.id})."
        older.move(OperationEvent.REPLACED, at=at, because=Because(reason, "superseded", ErrorClass.USER))


async def retry(session: AsyncSession, tenant: Tenant, operation: Operation, *, at: datetime) -> Operation:
    """Queue a failed operation again, with a new deadline, from the step it failed at. Raises OperationNotRetryable, OperationOutdated."""
    if operation.state is not OperationState.FAILED:
        raise OperationNotRetryable(operation.id, operation.state)
    latest = await latest_operation(session, tenant.id)
    if latest is not None and latest.id != operation.id and operation.kind not in ASIDE:
        raise OperationOutdated(operation.id)
    operation.move(OperationEvent.RETRIED, at=at)
    operation.attempts = 0
    operation.next_attempt_at = at
    operation.deadline = at + KINDS[operation.kind].deadline
    event = KINDS[operation.kind].start
    # A clinic that serves while its invitation failed stays active: only the rest is done again.
    if event is not None and MACHINE.allows(tenant.state, event):
        tenant.move(event, at=at, deadline=operation.deadline)
    await session.flush()
    return operation


async def refuse_busy(session: AsyncSession, tenant: Tenant) -> None:
    """Raises TenantBusy while an operation is under way that must not be mixed with another: one that can take itself back."""
    for operation in await open_operations(session, tenant.id):
        if KINDS[operation.kind].back and KINDS[operation.kind].start is not None:
            raise TenantBusy(tenant.slug, operation.kind.value.replace("_", " "), str(operation.id))


async def get(session: AsyncSession, operation_id: UUID) -> Operation:
    """Raises UnknownOperation."""
    operation = await session.get(Operation, operation_id)
    if operation is None:
        raise UnknownOperation(operation_id)
    return operation


async def open_operations(session: AsyncSession, tenant_id: UUID, *, lock: bool = False) -> list[Operation]:
    """Operations that are not over, oldest first."""
    query = select(Operation).where(Operation.tenant_id == tenant_id, Operation.state.in_(OPEN)).order_by(Operation.number)
    if lock:
        query = query.with_for_update(of=Operation).execution_options(populate_existing=True)
    return list(await session.scalars(query))


async def latest_operation(session: AsyncSession, tenant_id: UUID) -> Operation | None:
    """The last operation that meant something to the tenant's state: no invitation, no backup."""
    query = select(Operation).where(Operation.tenant_id == tenant_id, Operation.kind.not_in(ASIDE))
    return await session.scalar(query.order_by(Operation.number.desc()).limit(1))

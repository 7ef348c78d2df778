"""The transactions around a step: begin, finish, put off, give up. Each holds the lease, then the tenant, then the operation.

Between them nothing is locked. Whatever dies in between leaves rows that say where to go on.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER
from control_plane.audit import service as audit
from control_plane.errors import DomainError, TemporaryError
from control_plane.operations import service
from control_plane.operations.backoff import delay_after
from control_plane.operations.kinds import KINDS, OperationKind, StepName
from control_plane.operations.leases import Held, hold
from control_plane.operations.models import Operation
from control_plane.operations.observing import keep
from control_plane.operations.states import OperationEvent, OperationState, StepState
from control_plane.operations.steps import NotYet, Outcome, RuntimeNotAsAsked, Work
from control_plane.releases.placing import placement_of
from control_plane.revisions.models import Revision
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import MACHINE, TenantEvent
from dentalpin_kit.logs import scrub

SOON: Final = timedelta(seconds=0.2)
RUNTIME_RETRIES_EVERY: Final = timedelta(seconds=2)
UNEXPECTED_ATTEMPTS: Final = 8
"""How often a step is tried that fails in a way nobody foresaw."""


async def begin(session: AsyncSession, held: Held, operation_id: UUID, *, at: datetime) -> tuple[StepName, Work] | None:
    """Mark the next step as running and read its facts; None when the operation is over."""
    tenant, operation = await _locked(session, held, operation_id)
    step = operation.next_step
    if operation.state is not OperationState.RUNNING or step is None or await _ended(session, tenant, operation, at=at):
        return None
    step.state, step.attempts, step.finished_at = StepState.RUNNING, step.attempts + 1, None
    step.started_at = step.started_at or at
    if step.name is StepName.DEPLOY:
        # What is deployed is what is desired now, not what was when the operation began.
        operation.generation = tenant.generation
    serial = tenant.invitation_serial
    if step.name is StepName.INVITE:
        serial = operation.result.get("serial") or tenant.invitation_serial + 1
        tenant.invitation_serial = max(tenant.invitation_serial, serial)
        operation.result = {**operation.result, "serial": serial}
    generation = operation.generation or tenant.generation
    revision = (await session.scalars(select(Revision).where(Revision.tenant_id == tenant.id, Revision.generation == generation))).one()
    return step.name, Work(
        operation_id=operation.id,
        kind=operation.kind,
        placement=await placement_of(session, tenant, revision),
        owner_email=tenant.owner_email,
        revision=revision,
        serial=serial,
        result=operation.result,
        database_server=tenant.database_server,
    )


async def finish(session: AsyncSession, held: Held, operation_id: UUID, name: StepName, outcome: Outcome, *, at: datetime) -> None:
    """Record that a step is done and what it made known; after the last one the operation has succeeded."""
    tenant, operation = await _locked(session, held, operation_id)
    step = operation.step(name)
    step.state, step.reason, step.finished_at = StepState.DONE, None, at
    operation.attempts, operation.reason, operation.error_code = 0, None, None
    operation.result = {**operation.result, **outcome.result}
    tenant.url = outcome.url or tenant.url
    if outcome.observation is not None:
        await keep(session, tenant.id, outcome.observation, at=at)
    if outcome.final_dump is not None:
        tenant.final_dump, tenant.final_dump_until = outcome.final_dump, outcome.final_dump_until
    if operation.next_step is None:
        await _succeed(session, tenant, operation, at=at)


async def fail(session: AsyncSession, held: Held, operation_id: UUID, name: StepName, error: BaseException, *, at: datetime) -> None:
    """Record a failed attempt: to be tried again when it may pass, else the end of the operation with this reason."""
    tenant, operation = await _locked(session, held, operation_id)
    reason, code = reason_of(error), error.code if isinstance(error, DomainError) else "unexpected"
    step = operation.step(name)
    step.state, step.reason = StepState.PENDING, reason
    operation.reason, operation.error_code = reason, code
    if isinstance(error, RuntimeNotAsAsked):
        await keep(session, tenant.id, error.observation, at=at)
    if await _ended(session, tenant, operation, at=at):
        return
    if isinstance(error, NotYet):
        # Watching on is the same attempt.
        step.attempts -= 1
    else:
        operation.attempts += 1
    passing = isinstance(error, TemporaryError | TimeoutError) or (
        not isinstance(error, DomainError) and operation.attempts < UNEXPECTED_ATTEMPTS
    )
    if not passing:
        _give_up(session, tenant, operation, reason, code, at=at)
        return
    operation.move(OperationEvent.PUT_OFF, at=at, reason=reason, code=code)
    operation.next_attempt_at = at + _pause(error, operation.attempts)


def reason_of(error: BaseException) -> str:
    """A sentence for a person, without passwords."""
    if isinstance(error, DomainError):
        return scrub(error.message)
    if isinstance(error, TimeoutError):
        return "The step took longer than it may; it is tried again."
    return scrub(f"Unexpected {type(error).__name__}: {error}. The worker's log has the details.")


def _pause(error: BaseException, attempts: int) -> timedelta:
    if isinstance(error, NotYet):
        return SOON
    if isinstance(error, RuntimeNotAsAsked):
        return min(delay_after(attempts), RUNTIME_RETRIES_EVERY)
    return delay_after(attempts)


async def _locked(session: AsyncSession, held: Held, operation_id: UUID) -> tuple[Tenant, Operation]:
    await hold(session, held)
    tenant = await session.get_one(Tenant, held.tenant_id, with_for_update=True, populate_existing=True)
    operation = await session.get_one(Operation, operation_id, with_for_update=True, populate_existing=True)
    return tenant, operation


async def _ended(session: AsyncSession, tenant: Tenant, operation: Operation, *, at: datetime) -> bool:
    """Close an operation whose place was taken or whose time is over."""
    if operation.replaced_by is not None:
        service.end_replaced(operation, await session.get_one(Operation, operation.replaced_by), at=at)
        return True
    if at < operation.deadline:
        return False
    step = operation.next_step
    minutes = int(KINDS[operation.kind].deadline.total_seconds() // 60)
    last = operation.reason or "nothing was reported"
    where = step.name if step else "its end"
    reason = f"Not done within {minutes} minutes; it stood at {where}: {last} Retry the operation once that is mended."
    _give_up(session, tenant, operation, reason, operation.error_code or "deadline_passed", at=at)
    return True


def _give_up(session: AsyncSession, tenant: Tenant, operation: Operation, reason: str, code: str, *, at: datetime) -> None:
    step = operation.next_step
    if step is not None:
        step.state, step.reason, step.finished_at = StepState.FAILED, step.reason or reason, at
    operation.move(OperationEvent.GAVE_UP, at=at, reason=reason, code=code)
    audit.record(
        session, WORKER, "operation.failed", at=at, tenant_id=tenant.id, operation=str(operation.id), kind=operation.kind, reason=reason
    )
    if operation.kind is OperationKind.INVITE:
        return
    # A clinic that proved its revision serves, even where its invitation could not be sent.
    attested = any(one.name is StepName.ATTEST and one.state is StepState.DONE for one in operation.steps)
    event = TenantEvent.ATTESTED if attested else TenantEvent.OPERATION_FAILED
    if MACHINE.allows(tenant.state, event):
        tenant.move(event, at=at, reason=reason)


async def _succeed(session: AsyncSession, tenant: Tenant, operation: Operation, *, at: datetime) -> None:
    operation.move(OperationEvent.DONE, at=at)
    audit.record(session, WORKER, "operation.succeeded", at=at, tenant_id=tenant.id, operation=str(operation.id), kind=operation.kind)
    if operation.kind is OperationKind.DELETE:
        tenant.move(TenantEvent.REMOVED, at=at)
        tenant.deleted_at, tenant.url = at, None
    elif operation.kind is not OperationKind.INVITE and operation.replaced_by is None:
        # Replaced in its last step: it did what it was asked, but the tenant is under way to what was asked since.
        tenant.move(TenantEvent.ATTESTED, at=at)

"""The transactions around a step: begin, finish, put off, give up. Each holds the lease, then the tenant, then the operation.

Between them nothing is locked. Whatever dies in between leaves rows that say where to go on.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.errors import DomainError, TemporaryError
from control_plane.operations import ending
from control_plane.operations.backoff import delay_after
from control_plane.operations.kinds import KINDS, StepName
from control_plane.operations.leases import Held, hold
from control_plane.operations.models import Because, Operation
from control_plane.operations.observing import keep
from control_plane.operations.states import OperationEvent, OperationState, StepState
from control_plane.operations.steps import STEPS, NotYet, Outcome, RuntimeNotAsAsked, Work
from control_plane.releases.placing import placement_of
from control_plane.revisions.models import Revision
from control_plane.tenants.models import Tenant
from dentalpin_kit.logs import scrub
from dentalpin_kit.problems import ErrorClass

SOON: Final = timedelta(seconds=0.2)
RUNTIME_RETRIES_EVERY: Final = timedelta(seconds=2)
UNEXPECTED_ATTEMPTS: Final = 8
"""How often a step is tried that fails in a way nobody foresaw."""


async def begin(session: AsyncSession, held: Held, operation_id: UUID, *, at: datetime) -> tuple[StepName, Work] | None:
    """Mark the next step as running and read its facts; None when the operation is over or goes another way."""
    tenant, operation = await _locked(session, held, operation_id)
    if operation.state is not OperationState.RUNNING:
        return None
    step = operation.next_step
    if step is None:
        # Its last step was left out.
        await ending.succeed(session, tenant, operation, at=at)
        return None
    if await ending.at_boundary(session, tenant, operation, at=at):
        return None
    step.state, step.attempts, step.finished_at = StepState.RUNNING, step.attempts + 1, None
    step.started_at = step.started_at or at
    if (prepare := STEPS[step.name].prepare) is not None:
        await prepare(session, tenant, operation)
    generation = operation.generation or tenant.generation
    revision = (await session.scalars(select(Revision).where(Revision.tenant_id == tenant.id, Revision.generation == generation))).one()
    return step.name, Work(
        operation_id=operation.id,
        kind=operation.kind,
        step=step.name,
        placement=await placement_of(session, tenant, revision),
        owner_email=tenant.owner_email,
        revision=revision,
        serial=operation.result.get("serial") or tenant.invitation_serial,
        result=operation.result,
        params=operation.params,
        database_server=tenant.database_server,
        password_serial=tenant.password_serial,
    )


async def finish(session: AsyncSession, held: Held, operation_id: UUID, name: StepName, outcome: Outcome, *, at: datetime) -> None:
    """Record that a step is done and what it made known; after the last one the operation has succeeded."""
    tenant, operation = await _locked(session, held, operation_id)
    step = operation.step(name)
    step.state, step.reason, step.finished_at = StepState.DONE, None, at
    operation.attempts, operation.because = 0, None
    operation.result = {**operation.result, **outcome.result}
    tenant.url = outcome.url or tenant.url
    if outcome.observation is not None:
        await keep(session, tenant.id, outcome.observation, at=at)
    if outcome.write is not None:
        await outcome.write(session, tenant, operation)
    if operation.next_step is None:
        await ending.succeed(session, tenant, operation, at=at)


async def fail(session: AsyncSession, held: Held, operation_id: UUID, name: StepName, error: BaseException, *, at: datetime) -> None:
    """Record a failed attempt: to be tried again when it may pass, else the end of the operation with this reason."""
    tenant, operation = await _locked(session, held, operation_id)
    because = because_of(error)
    step = operation.step(name)
    step.state, step.reason = StepState.PENDING, because.reason
    if operation.because is not None and operation.because.error_class is ErrorClass.TEMPORARY is not because.error_class:
        # What was away is back: what fails of itself is counted from here.
        operation.attempts = 0
    operation.because = because
    if isinstance(error, RuntimeNotAsAsked):
        await keep(session, tenant.id, error.observation, at=at)
    if await ending.at_boundary(session, tenant, operation, at=at):
        return
    if isinstance(error, NotYet):
        # Watching on is the same attempt.
        step.attempts -= 1
    else:
        operation.attempts += 1
    passing = isinstance(error, TemporaryError | TimeoutError) or (
        not isinstance(error, DomainError) and operation.attempts < UNEXPECTED_ATTEMPTS
    )
    tries = KINDS[operation.kind].tries
    if tries is not None and operation.attempts >= tries and because.error_class is ErrorClass.US and ending.leaves_something(operation):
        passing = False
    if not passing:
        await ending.give_up(session, tenant, operation, because, at=at)
        return
    operation.move(OperationEvent.PUT_OFF, at=at, because=because)
    operation.next_attempt_at = at + _pause(error, operation.attempts)


def because_of(error: BaseException) -> Because:
    """Why a step failed: a sentence for a person, without passwords, a code, and who can mend it."""
    if isinstance(error, DomainError):
        return Because(scrub(error.message), error.code, error.error_class)
    if isinstance(error, TimeoutError):
        return Because("The step took longer than it may; it is tried again.", "step_timeout", ErrorClass.TEMPORARY)
    reason = scrub(f"Unexpected {type(error).__name__}: {error}. The worker's log has the details.")
    return Because(reason, "unexpected", ErrorClass.US)


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

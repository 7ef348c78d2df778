"""Finding what is stuck, and setting a stuck tenant going without breaking what the tables promise."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from control_plane.access.actors import Actor
from control_plane.audit import service as audit
from control_plane.backups.stuck import stuck_backups
from control_plane.billing.stuck import stuck_billing
from control_plane.campaigns.stuck import stuck_campaigns
from control_plane.demos.stuck import stuck_demos
from control_plane.mail.stuck import stuck_mails
from control_plane.operations import service as operations
from control_plane.operations.kinds import ASIDE, KINDS, STEP_KINDS
from control_plane.operations.leases import cut_off
from control_plane.operations.models import Lease, Operation
from control_plane.operations.states import OPEN, Direction, OperationState
from control_plane.passes import PASSES
from control_plane.passes.models import PeriodicPass
from control_plane.signup.stuck import stuck_signups
from control_plane.stuck.schemas import MOST, StuckOut, WayOut
from control_plane.support.stuck import stuck_support
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import MACHINE, STUCK, UNDER_WAY, TenantEvent, TenantState
from control_plane.webhooks.stuck import stuck_webhooks
from dentalpin_kit.problems import ErrorClass

PASS_GRACE: Final = timedelta(minutes=15)
"""How long after its time a pass that nobody runs counts as stuck."""


async def find(session: AsyncSession, *, at: datetime) -> list[StuckOut]:
    """Everything that is stuck, the oldest first; of each sort at most MOST."""
    found = [one for source in SOURCES for one in await source(session, at)]
    return sorted(found, key=lambda one: one.since)


async def stuck_tenants(session: AsyncSession, at: datetime) -> list[StuckOut]:
    """Those that wait for a person, and those whose deadline passed without anybody ending their state."""
    overdue = and_(Tenant.state.in_(UNDER_WAY), Tenant.state_deadline < at)
    query = select(Tenant).where(or_(Tenant.state.in_(STUCK), overdue)).order_by(Tenant.state_since).limit(MOST)
    found = []
    for tenant in await session.scalars(query):
        late = tenant.state in UNDER_WAY
        since = tenant.state_deadline if late and tenant.state_deadline else tenant.state_since
        path = f"/v1/tenants/{tenant.slug}"
        ways = [WayOut(action="unstick", request=f"POST {path}/unstick")]
        if tenant.state is TenantState.CLOSING:
            ways.append(WayOut(action="delete", request=f"DELETE {path}"))
        elif tenant.state is TenantState.DELETE_FAILED:
            ways.insert(0, WayOut(action="delete again", request=f"DELETE {path}"))
        else:
            ways.insert(0, WayOut(action="change modules", request=f"PUT {path}/modules"))
        found.append(
            StuckOut(
                what="tenant",
                id=str(tenant.id),
                tenant=tenant.slug,
                state=tenant.state,
                since=since,
                age_seconds=(at - since).total_seconds(),
                deadline=tenant.state_deadline,
                reason=tenant.state_reason
                or "Its deadline passed and nobody ended its state: no worker runs, or none can reach the database.",
                error_class=tenant.state_error_class or ErrorClass.US,
                ways_out=ways,
                runbook=f"tenant-{tenant.state.replace('_', '-')}.md",
            )
        )
    return found


def unanswered() -> ColumnElement[bool]:
    """Failed operations that no later one took the place of: of the same kind, or of any that means something to the tenant."""
    later = aliased(Operation)
    same = or_(later.kind == Operation.kind, and_(Operation.kind.not_in(ASIDE), later.kind.not_in(ASIDE)))
    return and_(
        Operation.state == OperationState.FAILED,
        ~exists().where(later.tenant_id == Operation.tenant_id, later.number > Operation.number, same),
    )


async def stuck_operations(session: AsyncSession, at: datetime) -> list[StuckOut]:
    """Those that failed and were not asked again, and those still open past their deadline."""
    overdue = and_(Operation.state.in_(OPEN), Operation.deadline < at)
    query = (
        select(Operation, Tenant.slug)
        .join(Tenant, Tenant.id == Operation.tenant_id)
        .where(or_(unanswered(), overdue), or_(Tenant.state != TenantState.DELETED, Operation.kind.in_(ASIDE)))
        .order_by(Operation.number)
        .limit(MOST)
    )
    found = []
    for operation, slug in await session.execute(query):
        since = operation.finished_at or operation.deadline
        found.append(
            StuckOut(
                what="operation",
                id=str(operation.id),
                tenant=slug,
                state=operation.state,
                since=since,
                age_seconds=(at - since).total_seconds(),
                deadline=operation.deadline if operation.state in OPEN else None,
                reason=operation.reason or "Its deadline passed and no worker took it up: none runs, or none can reach the database.",
                error_class=operation.error_class or ErrorClass.US,
                ways_out=ways_out(operation, slug),
                runbook=f"operation-{operation.state.replace('_', '-')}.md",
            )
        )
    return found


def ways_out(operation: Operation, slug: str) -> list[WayOut]:
    """What a person can do about an operation now; the API refuses the rest."""
    path = f"/v1/operations/{operation.id}"
    kind, step = KINDS[operation.kind], operation.next_step
    ways = []
    if operation.state in (OperationState.FAILED, OperationState.WAITING):
        ways.append(WayOut(action="retry", request=f"POST {path}/retry"))
        if step is not None and STEP_KINDS[step.name].skippable:
            ways.append(WayOut(action="skip", request=f"POST {path}/skip"))
    if kind.back and operation.direction is Direction.FORWARD:
        ways.append(WayOut(action="roll back", request=f"POST {path}/roll-back"))
    elif operation.direction is Direction.FORWARD and (kind.no_cancel_from is None or not operation.begun(kind.no_cancel_from)):
        ways.append(WayOut(action="cancel", request=f"POST {path}/cancel"))
    return [*ways, WayOut(action="unstick", request=f"POST /v1/tenants/{slug}/unstick")]


async def stuck_passes(session: AsyncSession, at: datetime) -> list[StuckOut]:
    """Those that fail, and those whose time is long over and that nobody runs."""
    names = [one.name for one in PASSES]
    free = or_(PeriodicPass.until.is_(None), PeriodicPass.until < func.clock_timestamp())
    late = and_(PeriodicPass.due_at < at - PASS_GRACE, free)
    query = select(PeriodicPass).where(PeriodicPass.name.in_(names), or_(PeriodicPass.failing_since.is_not(None), late))
    found = []
    for row in await session.scalars(query.order_by(PeriodicPass.name)):
        since = row.failing_since or row.due_at
        found.append(
            StuckOut(
                what="pass",
                id=row.name,
                tenant=None,
                state="failing" if row.failing_since else "late",
                since=since,
                age_seconds=(at - since).total_seconds(),
                deadline=None,
                reason=row.reason or "It is due and no worker takes it up: none runs, or none can reach the database.",
                error_class=ErrorClass.US,
                ways_out=[],
                runbook="pass-failing.md" if row.failing_since else "pass-late.md",
            )
        )
    return found


Source = Callable[[AsyncSession, datetime], Awaitable[list[StuckOut]]]
SOURCES: Final[tuple[Source, ...]] = (
    stuck_tenants,
    stuck_operations,
    stuck_passes,
    stuck_campaigns,
    stuck_backups,
    stuck_mails,
    stuck_webhooks,
    stuck_signups,
    stuck_billing,
    stuck_demos,
    stuck_support,
)
"""Whoever has states that can get stuck adds a function that finds them."""


async def unstick(session: AsyncSession, tenant: Tenant, reason: str, *, actor: Actor, at: datetime, lease_seconds: float) -> list[str]:
    """Set a tenant going again; what was done. `tenant` is locked.

    A worker that holds it is cut off, and nobody may take the tenant before that worker must have noticed: so no step is ever done twice at
    a time. Open operations are due at once with a new deadline; a state under way that nobody is left to end becomes the failed one it
    would have become.
    """
    done = []
    if await cut_off(session, tenant.id, seconds=lease_seconds):
        done.append(f"The worker that held it is cut off; another takes over within {lease_seconds:.0f} seconds.")
    open_ones = await operations.open_operations(session, tenant.id, lock=True)
    for operation in open_ones:
        operation.attempts, operation.next_attempt_at = 0, at
        operation.deadline = at + KINDS[operation.kind].deadline
        done.append(f"The operation {operation.id} ({operation.kind}) is due at once, until {operation.deadline.isoformat()}.")
    leading = [one for one in open_ones if KINDS[one.kind].start is not None]
    if leading and tenant.state in UNDER_WAY and tenant.state is not TenantState.CLOSING:
        tenant.state_deadline = leading[-1].deadline
    elif not leading and MACHINE.allows(tenant.state, TenantEvent.OPERATION_FAILED):
        before = tenant.state.value
        words = f"It was {before} with nobody left to end that; {actor.label} got it unstuck: {reason}"
        tenant.move(TenantEvent.OPERATION_FAILED, at=at, reason=words, error_class=ErrorClass.US)
        done.append(f"It was {before} without an operation and is {tenant.state.value}: ask again for what it should run.")
    await session.execute(update(Lease).where(Lease.tenant_id == tenant.id).values(reconcile_at=at))
    audit.record(session, actor, "tenant.unstuck", at=at, tenant_id=tenant.id, reason=reason, done=done)
    await session.flush()
    return done

"""Who works on a tenant. One lease per tenant, so that two operations of one tenant never run at once either.

A lease runs by the database's clock, which all workers share. Claiming raises `fence`; everything a worker writes is guarded by `hold`,
so a worker that was thought dead and comes back can write nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.operations.kinds import LETS_PASS
from control_plane.operations.models import Lease, Operation
from control_plane.operations.states import OPEN, OperationEvent

_LETS_PASS: Final = sorted(kind.value for kind in LETS_PASS)
# The oldest open operation of a tenant nobody works on, due or past its deadline. Operations are the small end of the join.
_DUE_OPERATION = text("""
    SELECT lease.tenant_id, operation.id
    FROM operation JOIN tenant_lease AS lease USING (tenant_id)
    WHERE operation.state IN ('queued', 'running', 'waiting')
      AND least(operation.next_attempt_at, operation.deadline) <= :now
      AND (lease.until IS NULL OR lease.until < clock_timestamp())
      AND NOT EXISTS (
          SELECT FROM operation AS older
          WHERE older.tenant_id = operation.tenant_id AND older.number < operation.number
            AND (older.state IN ('queued', 'running') OR older.state = 'waiting' AND older.kind <> ALL (:lets_pass))
      )
    ORDER BY operation.next_attempt_at, operation.number LIMIT 1
    FOR UPDATE OF lease SKIP LOCKED
""")
_DUE_TENANT = text("""
    SELECT lease.tenant_id
    FROM tenant_lease AS lease JOIN tenant ON tenant.id = lease.tenant_id
    WHERE tenant.state IN ('active', 'degraded')
      AND lease.reconcile_at <= :now
      AND (lease.until IS NULL OR lease.until < clock_timestamp())
      AND NOT EXISTS (
          SELECT FROM operation WHERE operation.tenant_id = lease.tenant_id
            AND (operation.state IN ('queued', 'running') OR operation.state = 'waiting' AND operation.kind <> ALL (:lets_pass))
      )
    ORDER BY lease.reconcile_at LIMIT 1
    FOR UPDATE OF lease SKIP LOCKED
""")


class LeaseLost(Exception):
    """Another worker holds the tenant. What is being done must stop and write nothing."""


@dataclass(frozen=True, slots=True)
class Held:
    tenant_id: UUID
    owner: str
    fence: int


async def claim_operation(session: AsyncSession, owner: str, *, seconds: float, now: datetime) -> tuple[Held, UUID] | None:
    """Take the tenant whose oldest operation has waited longest, and mark the operation running; None when nothing is due."""
    row = (await session.execute(_DUE_OPERATION, {"now": now, "lets_pass": _LETS_PASS})).first()
    if row is None:
        return None
    tenant_id, operation_id = row
    operation = await session.get_one(Operation, operation_id, with_for_update=True, populate_existing=True)
    if operation.state not in OPEN:
        # Another worker finished it between our snapshot and our lock.
        return None
    held = await _take(session, tenant_id, owner, seconds)
    operation.move(OperationEvent.CLAIMED, at=now, because=operation.because)
    return held, operation_id


async def claim_tenant(session: AsyncSession, owner: str, *, seconds: float, now: datetime, again: datetime) -> Held | None:
    """Take a tenant whose desired and observed state are due to be compared; the next time is `again`."""
    tenant_id = await session.scalar(_DUE_TENANT, {"now": now, "lets_pass": _LETS_PASS})
    if tenant_id is None:
        return None
    await session.execute(update(Lease).where(Lease.tenant_id == tenant_id).values(reconcile_at=again))
    return await _take(session, tenant_id, owner, seconds)


async def _take(session: AsyncSession, tenant_id: UUID, owner: str, seconds: float) -> Held:
    taken = (
        update(Lease)
        .where(Lease.tenant_id == tenant_id)
        .values(owner=owner, fence=Lease.fence + 1, until=_until(seconds))
        .returning(Lease.fence)
    )
    fence = (await session.scalars(taken)).one()
    return Held(tenant_id, owner, fence)


def _until(seconds: float) -> object:
    return func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)


async def extend(session: AsyncSession, held: Held, *, seconds: float) -> None:
    """The heartbeat. Raises LeaseLost."""
    alive = update(Lease).where(Lease.tenant_id == held.tenant_id, Lease.fence == held.fence).values(until=_until(seconds))
    if (await session.execute(alive.returning(Lease.fence))).first() is None:
        raise LeaseLost(held)


async def hold(session: AsyncSession, held: Held) -> None:
    """Keep others from claiming the tenant until this transaction ends. Raises LeaseLost where one already has."""
    mine = select(Lease.fence).where(Lease.tenant_id == held.tenant_id, Lease.fence == held.fence).with_for_update()
    if await session.scalar(mine) is None:
        raise LeaseLost(held)


async def cut_off(session: AsyncSession, tenant_id: UUID, *, seconds: float) -> bool:
    """Take a tenant from the worker that holds it, where one does: it can write nothing more, and notices within a lease's time.

    Until then nobody else may claim the tenant, or a step would be done twice at a time.
    """
    held = (Lease.tenant_id == tenant_id, Lease.until > func.clock_timestamp(), Lease.owner.is_not(None))
    taken = update(Lease).where(*held).values(owner=None, fence=Lease.fence + 1, until=_until(seconds)).returning(Lease.fence)
    return (await session.scalars(taken)).first() is not None


async def release(session: AsyncSession, held: Held) -> None:
    """Give the tenant back; nothing where it was lost."""
    await session.execute(update(Lease).where(Lease.tenant_id == held.tenant_id, Lease.fence == held.fence).values(owner=None, until=None))

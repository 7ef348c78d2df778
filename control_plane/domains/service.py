"""Asking for host names, proving them, taking them back. In the caller's transaction, the tenant's row locked."""

import secrets
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER, Actor
from control_plane.audit import service as audit
from control_plane.clusters.models import ClusterRow
from control_plane.domains.errors import DomainReserved, DomainsUnsupported, DomainTaken, TooManyDomains, UnknownDomain
from control_plane.domains.models import TenantDomain
from control_plane.domains.states import LIVE, PATIENCE, DomainEvent, DomainState
from control_plane.operations import service as operations
from control_plane.operations.kinds import KINDS, OperationKind
from control_plane.platform import Platform
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import MACHINE as TENANT
from control_plane.tenants.states import TenantState

MOST: Final = 10
_SOONEST, _LATEST = timedelta(seconds=30), timedelta(hours=1)


async def add(session: AsyncSession, platform: Platform, tenant: Tenant, name: str, *, actor: Actor) -> TenantDomain:
    """Ask for a name. Raises DomainsUnsupported, DomainReserved, DomainTaken, TooManyDomains."""
    if platform.settings.deployer != "kubernetes":
        raise DomainsUnsupported
    for ours in await session.scalars(select(ClusterRow.facts["domain"].astext)):
        if name == ours or name.endswith(f".{ours}"):
            raise DomainReserved(name, ours)
    live = await live_of(session, tenant.id)
    if name in {one.name for one in live} or await _holder(session, name) is not None:
        raise DomainTaken(name)
    if len(live) >= MOST:
        raise TooManyDomains(MOST)
    now = platform.clock.now()
    domain = TenantDomain(
        tenant_id=tenant.id,
        name=name,
        proof=f"dentalpin-proof={secrets.token_urlsafe(24)}",
        deadline=now + PATIENCE,
        look_at=now + _SOONEST,
        created_at=now,
    )
    session.add(domain)
    await session.flush()
    audit.record(session, actor, "domain.asked_for", at=now, tenant_id=tenant.id, domain=name)
    return domain


async def live_of(session: AsyncSession, tenant_id: UUID) -> list[TenantDomain]:
    query = select(TenantDomain).where(TenantDomain.tenant_id == tenant_id, TenantDomain.state.in_(LIVE))
    return list(await session.scalars(query.order_by(TenantDomain.name)))


async def verified_of(session: AsyncSession, tenant_id: UUID) -> tuple[str, ...]:
    """The names a clinic answers at, as its deployer is told them."""
    query = select(TenantDomain.name).where(TenantDomain.tenant_id == tenant_id, TenantDomain.state == DomainState.VERIFIED)
    return tuple(await session.scalars(query.order_by(TenantDomain.name)))


async def find(session: AsyncSession, tenant: Tenant, name: str, *, lock: bool = False) -> TenantDomain:
    """One that is asked for or had. Raises UnknownDomain."""
    query = select(TenantDomain).where(TenantDomain.tenant_id == tenant.id, TenantDomain.name == name, TenantDomain.state.in_(LIVE))
    found = await session.scalar(query.with_for_update() if lock else query)
    if found is None:
        raise UnknownDomain(name)
    return found


async def remove(session: AsyncSession, domain: TenantDomain, tenant: Tenant, *, actor: Actor, at: datetime) -> None:
    """Take a name back; where the clinic answered at it, it is carried out anew. Raises TenantBusy."""
    answered = domain.state is DomainState.VERIFIED
    domain.move(DomainEvent.REMOVED, at=at)
    audit.record(session, actor, "domain.removed", at=at, tenant_id=tenant.id, domain=domain.name)
    if answered:
        await _carry_out(session, tenant, actor=actor, at=at)


async def prove(session: AsyncSession, domain: TenantDomain, tenant: Tenant, said: list[str], *, at: datetime) -> None:
    """Take what the name servers say: the proof, or a reason to look again. Raises TenantBusy."""
    if domain.proof not in said:
        told = f"says {', '.join(said)[:200]!r} only" if said else "is not there"
        domain.reason = f"The text record {domain.record} {told}. It has to say {domain.proof}."
    elif (holder := await _holder(session, domain.name)) is not None and holder != tenant.id:
        domain.reason = "It is proved, and another clinic answers at it. That one has to take it back first."
    else:
        domain.move(DomainEvent.PROVED, at=at)
        audit.record(session, WORKER, "domain.verified", at=at, tenant_id=tenant.id, domain=domain.name)
        await _carry_out(session, tenant, actor=WORKER, at=at)
        return
    look_later(domain, at=at)


def look_later(domain: TenantDomain, *, at: datetime) -> None:
    """The next look, less and less often; without a proof until its deadline the name lapses."""
    assert domain.deadline is not None
    if at >= domain.deadline:
        domain.move(DomainEvent.TIME_OVER, at=at)
    else:
        domain.look_at = min(at + min(max((at - domain.created_at) / 10, _SOONEST), _LATEST), domain.deadline)


async def _holder(session: AsyncSession, name: str) -> UUID | None:
    """Whose clinic answers at the name."""
    return await session.scalar(select(TenantDomain.tenant_id).where(TenantDomain.name == name, TenantDomain.state == DomainState.VERIFIED))


async def _carry_out(session: AsyncSession, tenant: Tenant, *, actor: Actor, at: datetime) -> None:
    """Have the clinic carried out as it is, with its names as they are. One that does not run gets them when it does."""
    await operations.refuse_busy(session, tenant)
    start = KINDS[OperationKind.CHANGE_MODULES].start
    if start is not None and TENANT.allows(tenant.state, start) and tenant.state is not TenantState.DELETED:
        await operations.start(session, tenant, OperationKind.CHANGE_MODULES, actor=actor, at=at, generation=tenant.generation)

"""The pass that looks for proofs of names, and takes back those of tenants that are gone."""

from typing import Final
from uuid import UUID

from sqlalchemy import select

from control_plane.domains import service
from control_plane.domains.models import TenantDomain
from control_plane.domains.resolving import NamesAway
from control_plane.domains.states import LIVE, DomainEvent, DomainState
from control_plane.operations.errors import TenantBusy
from control_plane.operations.steps.base import Tools
from control_plane.platform import Platform
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState

AT_ONCE: Final = 100


async def look(tools: Tools) -> None:
    """Ask for each name that is due. Nothing is locked while name servers are asked."""
    platform = tools.platform
    await _take_back(platform)
    async with platform.database.transaction() as session:
        due = select(TenantDomain.id, TenantDomain.tenant_id, TenantDomain.name).where(
            TenantDomain.state == DomainState.PENDING, TenantDomain.look_at <= platform.clock.now()
        )
        found = list(await session.execute(due.order_by(TenantDomain.look_at).limit(AT_ONCE)))
    for domain_id, tenant_id, name in found:
        try:
            said: list[str] | NamesAway = await platform.names.texts(f"_dentalpin.{name}")
        except NamesAway as away:
            said = away
        await _write(platform, domain_id, tenant_id, said)


async def _write(platform: Platform, domain_id: UUID, tenant_id: UUID, said: list[str] | NamesAway) -> None:
    now = platform.clock.now()
    try:
        async with platform.database.transaction() as session:
            tenant = await session.get_one(Tenant, tenant_id, with_for_update=True, populate_existing=True)
            domain = await session.get_one(TenantDomain, domain_id, with_for_update=True, populate_existing=True)
            if domain.state is not DomainState.PENDING:
                return
            if isinstance(said, NamesAway):
                domain.reason = said.message
                service.look_later(domain, at=now)
            else:
                await service.prove(session, domain, tenant, said, at=now)
    except TenantBusy as busy:
        async with platform.database.transaction() as session:
            domain = await session.get_one(TenantDomain, domain_id, with_for_update=True)
            if domain.state is DomainState.PENDING:
                domain.reason = f"It is proved, and waits: {busy.message}"
                service.look_later(domain, at=now)


async def _take_back(platform: Platform) -> None:
    """A deleted clinic's names are free for others."""
    async with platform.database.transaction() as session:
        query = select(TenantDomain).join(Tenant, Tenant.id == TenantDomain.tenant_id)
        left = query.where(Tenant.state == TenantState.DELETED, TenantDomain.state.in_(LIVE)).limit(AT_ONCE)
        for domain in await session.scalars(left.with_for_update(of=TenantDomain, skip_locked=True)):
            domain.move(DomainEvent.REMOVED, at=platform.clock.now())

"""Tenants of resellers: opening them within the ceilings, choosing their modules, and listing them.

A tenant a reseller opens becomes its customer (`reseller_tenant`, by which it earns) and is granted to it (`tenant_grant`, by which it may
act); the clinic can end the grant, and the reseller goes on earning until the clinic changes hands.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access import accounts
from control_plane.access.actors import Actor
from control_plane.access.models import Reseller
from control_plane.access.scopes import Kind
from control_plane.audit import service as audit
from control_plane.billing import agreements
from control_plane.demos.models import DemoTenant
from control_plane.demos.states import UNFINISHED
from control_plane.platform import Platform
from control_plane.resellers import service
from control_plane.resellers.belonging import customers
from control_plane.resellers.correspondence import billing_address
from control_plane.resellers.models import ResellerTenant
from control_plane.resellers.schemas import NewCustomer, Used
from control_plane.resellers.terms import Payer
from control_plane.tenants import service as tenants
from control_plane.tenants.models import Tenant
from control_plane.tenants.service import Started


async def used(session: AsyncSession, reseller_id: UUID) -> Used:
    tenants = await session.scalar(select(func.count()).select_from(customers(reseller_id).subquery()))
    mine = (DemoTenant.reseller_id == reseller_id, DemoTenant.state.in_(UNFINISHED))
    demos = await session.scalar(select(func.count()).select_from(DemoTenant).where(*mine))
    return Used(tenants=tenants or 0, demos=demos or 0)


async def take_in(
    session: AsyncSession, reseller_id: UUID, tenant: Tenant, *, payer: Payer = Payer.CLINIC, actor: Actor, at: datetime
) -> ResellerTenant:
    """Make a tenant that was just written, or just transferred, this reseller's customer, and grant it.

    The reseller's row is locked, so that of two at once only one takes the last place. Raises TooManyTenants, ModulesBeyondCeiling,
    RegionBeyondCeiling; the caller's transaction writes nothing then.
    """
    reseller = await service.find(session, reseller_id, lock=True)
    terms = await service.terms_of(session, reseller_id, at=at)
    terms.refuse_tenants(reseller.name, (await used(session, reseller_id)).tenants)
    terms.refuse_modules(reseller.name, tenant.chosen)
    terms.refuse_region(reseller.name, tenant.region)
    row = ResellerTenant(reseller_id=reseller_id, tenant_id=tenant.id, payer=payer, since=at)
    session.add(row)
    await session.flush()
    await accounts.grant(session, tenant, reseller_id=reseller_id, at=at)
    audit.record(session, actor, "reseller.tenant_taken_in", at=at, tenant_id=tenant.id, reseller=str(reseller_id), payer=payer.value)
    return row


async def open_customer(session: AsyncSession, platform: Platform, reseller: Reseller, new: NewCustomer, *, actor: Actor) -> Started:
    """A clinic with who pays, its plan and its trial, in the caller's transaction: all of it, or nothing. The provider is told afterwards,
    by the operation `bill`.

    Raises what creating a tenant raises, what `take_in` raises, ResellerUnreachable where it is to pay and nobody can be written to, and
    what agreeing raises.
    """
    started = await tenants.create(session, platform, new.clinic(), actor=actor)
    if new.payer is Payer.RESELLER:
        await billing_address(session, reseller)
    await take_in(session, reseller.id, started.tenant, payer=new.payer, actor=actor, at=platform.clock.now())
    if new.plan is not None:
        await agreements.agree(
            session, platform, started.tenant, plan=new.plan, currency=new.currency, trial_days=new.trial_days, actor=actor
        )
    return started


async def opened(session: AsyncSession, tenant: Tenant, *, actor: Actor, at: datetime) -> None:
    """What a reseller's staff opened is its customer. Raises what `take_in` raises."""
    if actor.kind == Kind.RESELLER and actor.reseller_id is not None:
        await take_in(session, actor.reseller_id, tenant, actor=actor, at=at)


async def refuse_modules(session: AsyncSession, tenant: Tenant, chosen: Iterable[str], *, actor: Actor, at: datetime) -> None:
    """Raises ModulesBeyondCeiling where a reseller's staff chooses what its terms do not name; the clinic itself is free to."""
    if actor.kind == Kind.RESELLER and actor.reseller_id is not None:
        reseller: Reseller = await service.find(session, actor.reseller_id)
        terms = await service.terms_of(session, reseller.id, at=at)
        terms.refuse_modules(reseller.name, chosen, before=tenant.chosen)

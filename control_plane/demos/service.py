"""Opening, extending and ending demonstrations. Everything is one transaction of the caller; the pass `demos` does what time brings about.

A demonstration is a tenant like any other but for four things: its modules fill it with invented records, its runtime reaches nobody,
nobody is charged for it, and on its day it is deleted without a last copy and erased. It never becomes a paying clinic: what was invented
must not be mistaken for records, so whoever stays opens a clinic afresh.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access import accounts
from control_plane.access.actors import Actor
from control_plane.access.errors import UnknownReseller
from control_plane.access.scopes import Kind
from control_plane.audit import service as audit
from control_plane.demos.errors import DemoExtended, DemoOver, DemoTooLong, UnknownDemo
from control_plane.demos.models import DemoTenant
from control_plane.demos.schemas import NewDemo
from control_plane.demos.states import LONGEST, TOLD_BEFORE, DemoEvent, DemoState
from control_plane.platform import Platform
from control_plane.resellers import opening
from control_plane.resellers import service as resellers
from control_plane.tenants import service as tenants
from control_plane.tenants.models import Tenant
from control_plane.tenants.service import Demonstration, Started


@dataclass(frozen=True, slots=True)
class Opened:
    demo: DemoTenant
    started: Started


async def open_demo(session: AsyncSession, platform: Platform, new: NewDemo, *, actor: Actor) -> Opened:
    """A tenant that is filled with invented records, and its row here.

    Raises what creating a tenant raises, UnknownReseller, and the ceilings of the reseller: TooManyDemos, ModulesBeyondCeiling,
    RegionBeyondCeiling.
    """
    now = platform.clock.now()
    reseller_id = _whose(new.reseller, actor)
    ends_at = now + timedelta(days=new.days)
    shown = Demonstration(ends_at.date(), new.language)
    started = await tenants.create(session, platform, new.clinic(), actor=actor, demonstration=shown)
    tenant = started.tenant
    if reseller_id is not None:
        await _within_ceilings(session, reseller_id, tenant, at=now)
        await accounts.grant(session, tenant, reseller_id=reseller_id, at=now)
    demo = DemoTenant(
        tenant_id=tenant.id,
        reseller_id=reseller_id,
        state=DemoState.RUNNING,
        opened_by=actor.label,
        created_at=now,
        ends_at=ends_at,
        look_at=_next_look(ends_at),
    )
    session.add(demo)
    await session.flush()
    about = {"reseller": str(reseller_id) if reseller_id else None, "ends_at": ends_at.isoformat(), "language": new.language}
    audit.record(session, actor, "demo.opened", at=now, tenant_id=tenant.id, **about)
    return Opened(demo, started)


async def extend(session: AsyncSession, platform: Platform, demo: DemoTenant, tenant: Tenant, days: int, *, actor: Actor) -> Started:
    """Once, to `LONGEST` from its opening at most; both rows are locked. Its pages say the new day.

    Raises DemoOver, DemoExtended, DemoTooLong, TenantBusy.
    """
    now = platform.clock.now()
    if demo.state not in (DemoState.RUNNING, DemoState.ANNOUNCED) or demo.ends_at <= now:
        raise DemoOver(tenant.slug)
    if demo.extended_at is not None:
        raise DemoExtended(tenant.slug, demo.ends_at)
    latest = demo.created_at + LONGEST
    ends_at = demo.ends_at + timedelta(days=days)
    if ends_at > latest:
        raise DemoTooLong(tenant.slug, latest)
    demo.move(DemoEvent.EXTENDED)
    before, demo.ends_at, demo.extended_at, demo.told_at = demo.ends_at, ends_at, now, None
    demo.look_at = _next_look(ends_at)
    tenant.demo_until = ends_at.date()
    audit.record(session, actor, "demo.extended", at=now, tenant_id=tenant.id, before=before.isoformat(), ends_at=ends_at.isoformat())
    return await tenants.change_modules(session, platform, tenant, frozenset(tenant.chosen), actor=actor)


def end(session: AsyncSession, demo: DemoTenant, tenant: Tenant, *, actor: Actor, at: datetime) -> None:
    """It is over now; the pass deletes and erases it. Both rows are locked. Ending it twice changes nothing."""
    if demo.state in (DemoState.ERASING, DemoState.ERASED):
        return
    demo.move(DemoEvent.OVER)
    demo.ended_at, demo.ended_by, demo.look_at = at, actor.label, at
    audit.record(session, actor, "demo.ended", at=at, tenant_id=tenant.id, ends_at=demo.ends_at.isoformat())


async def find(session: AsyncSession, tenant: Tenant, *, lock: bool = False) -> DemoTenant:
    """Raises UnknownDemo for a tenant that is none."""
    found = await session.get(DemoTenant, tenant.id, with_for_update=lock or None, populate_existing=lock)
    if found is None:
        raise UnknownDemo(tenant.slug)
    return found


async def of_reseller(session: AsyncSession, reseller_id: UUID, tenant_id: UUID) -> tuple[DemoTenant, Tenant]:
    """A reseller's own, both rows locked. Raises UnknownDemo, also for another's."""
    owned = await session.scalar(
        select(DemoTenant.tenant_id).where(DemoTenant.tenant_id == tenant_id, DemoTenant.reseller_id == reseller_id)
    )
    if owned is None:
        raise UnknownDemo(str(tenant_id))
    tenant = await session.get_one(Tenant, tenant_id, with_for_update=True, populate_existing=True)
    return await find(session, tenant, lock=True), tenant


def most_days(demo: DemoTenant) -> int:
    """How many days it can be extended by at most; one at least, for which there may be no room."""
    return max(1, (demo.created_at + LONGEST - demo.ends_at).days)


def listed(actor: Actor, state: DemoState | None = None) -> Select[DemoTenant]:
    """Those an actor may see: a reseller its own, over ones included."""
    query = select(DemoTenant)
    if not actor.sees_all:
        query = query.where(DemoTenant.reseller_id == actor.reseller_id)
    return query.where(DemoTenant.state == state) if state is not None else query


def _whose(named: UUID | None, actor: Actor) -> UUID | None:
    if actor.kind == Kind.RESELLER:
        if named not in (None, actor.reseller_id):
            raise UnknownReseller(named)
        return actor.reseller_id
    return named


async def _within_ceilings(session: AsyncSession, reseller_id: UUID, tenant: Tenant, *, at: datetime) -> None:
    """The reseller's row is locked, so that of two at once only one takes the last place."""
    reseller = await resellers.find(session, reseller_id, lock=True)
    terms = await resellers.terms_of(session, reseller_id, at=at)
    terms.refuse_demos(reseller.name, (await opening.used(session, reseller_id)).demos)
    terms.refuse_modules(reseller.name, tenant.chosen)
    terms.refuse_region(reseller.name, tenant.region)


def _next_look(ends_at: datetime) -> datetime:
    return ends_at - TOLD_BEFORE

"""What time brings about: the end of a demonstration is told, and on its day it is deleted and erased by the ordinary operations."""

import logging
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER
from control_plane.access.models import Reseller
from control_plane.audit import service as audit
from control_plane.demos import service
from control_plane.demos.models import DemoTenant
from control_plane.demos.states import DemoEvent, DemoState
from control_plane.errors import DomainError
from control_plane.exit import deletions, erasing
from control_plane.exit.models import Erasure
from control_plane.mail import outbox
from control_plane.operations.steps.base import Tools
from control_plane.platform import Platform
from control_plane.resellers.correspondence import administrators_of
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState

log = logging.getLogger(__name__)

AT_ONCE: Final = 100
SOON: Final = timedelta(minutes=5)
AFTER_TROUBLE: Final = timedelta(hours=1)
_WHY: Final = "Demonstrations end on their day."


async def look(tools: Tools) -> None:
    """See to each demonstration that is due, one transaction each. One that cannot be seen to now holds up no other."""
    platform = tools.platform
    async with platform.database.transaction() as session:
        due = select(DemoTenant.tenant_id).where(DemoTenant.look_at <= platform.clock.now(), DemoTenant.state != DemoState.ERASED)
        found = list(await session.scalars(due.order_by(DemoTenant.look_at).limit(AT_ONCE)))
    for tenant_id in found:
        try:
            async with platform.database.transaction() as session:
                await _see_to(session, platform, tenant_id)
        except DomainError as error:
            log.warning("a demonstration is looked at again later: %s", error.message)
            await _put_off(platform, tenant_id, error)


async def _put_off(platform: Platform, tenant_id: UUID, error: DomainError) -> None:
    async with platform.database.transaction() as session:
        demo = await session.get_one(DemoTenant, tenant_id, with_for_update=True)
        demo.reason, demo.look_at = error.message, platform.clock.now() + AFTER_TROUBLE


async def _see_to(session: AsyncSession, platform: Platform, tenant_id: UUID) -> None:
    tenant = await session.get_one(Tenant, tenant_id, with_for_update=True, populate_existing=True)
    demo = await service.find(session, tenant, lock=True)
    now = platform.clock.now()
    if demo.look_at is None or demo.look_at > now:
        return
    if demo.state is DemoState.RUNNING and now < demo.ends_at:
        await _tell(session, platform, demo, tenant)
        demo.move(DemoEvent.TOLD)
        demo.told_at, demo.look_at = now, demo.ends_at
        return
    service.end(session, demo, tenant, actor=WORKER, at=now)
    await _erase(session, platform, demo, tenant, at=now)


async def _erase(session: AsyncSession, platform: Platform, demo: DemoTenant, tenant: Tenant, *, at: datetime) -> None:
    """The next thing to do: delete, erase, note that nothing is left."""
    demo.look_at, demo.reason = at + SOON, None
    if tenant.state is not TenantState.DELETED:
        if tenant.state is TenantState.DELETE_FAILED:
            demo.look_at, demo.reason = at + AFTER_TROUBLE, tenant.state_reason
        deletions.protect(session, platform, tenant, protected=False, reason=_WHY, actor=WORKER)
        await deletions.delete(session, platform, tenant, actor=WORKER, at_once=True, confirm=tenant.slug)
        return
    erasure = await session.scalar(select(Erasure).where(Erasure.tenant_id == tenant.id).order_by(Erasure.number.desc()).limit(1))
    if erasure is None:
        await erasing.request(session, platform, tenant, actor=WORKER, reason=_WHY, handed_over=False)
    elif erasure.finished_at is None:
        demo.reason = "Its erasure is at work, or failed: `GET /v1/tenants/{slug}/operations` says which."
    else:
        demo.move(DemoEvent.ERASED)
        demo.erased_at, demo.look_at = erasure.finished_at, None
        audit.record(session, WORKER, "demo.erased", at=at, tenant_id=tenant.id, erasure=str(erasure.id))


async def _tell(session: AsyncSession, platform: Platform, demo: DemoTenant, tenant: Tenant) -> None:
    """Whoever shows it, and whoever looks after it at the reseller, each in their own language."""
    to = {tenant.owner_email: tenant.demo_language or "en"}
    if demo.reseller_id is not None:
        reseller = await session.get_one(Reseller, demo.reseller_id)
        to |= dict.fromkeys(await administrators_of(session, reseller), reseller.language)
    for address, language in to.items():
        await outbox.send(
            session,
            key=f"demo-ending-{tenant.id}-{demo.ends_at.date()}-{address}"[:200],
            to=address,
            template="demo_ending",
            locale=language,
            at=platform.clock.now(),
            tenant_id=tenant.id,
            clinic=tenant.name,
            until=demo.ends_at.date(),
            extendable=demo.extended_at is None,
        )

"""Demonstrations nobody sees to: due for long without a worker, or over for a day and still there."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.demos.models import DemoTenant
from control_plane.demos.states import DemoState
from control_plane.stuck.schemas import MOST, StuckOut, WayOut
from control_plane.tenants.models import Tenant
from dentalpin_kit.problems import ErrorClass

GRACE: Final = timedelta(hours=1)
ERASED_WITHIN: Final = timedelta(days=1)


async def stuck_demos(session: AsyncSession, at: datetime) -> list[StuckOut]:
    late = DemoTenant.look_at < at - GRACE
    lasting = and_(DemoTenant.state == DemoState.ERASING, DemoTenant.ended_at < at - ERASED_WITHIN)
    query = select(DemoTenant, Tenant).join(Tenant, Tenant.id == DemoTenant.tenant_id).where(or_(late, lasting))
    found = await session.execute(query.order_by(DemoTenant.ends_at).limit(MOST))
    return [_shown(demo, tenant, at) for demo, tenant in found]


def _shown(demo: DemoTenant, tenant: Tenant, at: datetime) -> StuckOut:
    since = demo.ended_at + ERASED_WITHIN if demo.ended_at else demo.look_at or demo.ends_at
    ways = [WayOut(action="see what was tried", request=f"GET /v1/tenants/{tenant.slug}/operations")]
    if demo.state is not DemoState.ERASING:
        ways.append(WayOut(action="end it", request=f"DELETE /v1/demos/{tenant.slug}"))
    return StuckOut(
        what="demo",
        id=str(demo.tenant_id),
        tenant=tenant.slug,
        state=demo.state,
        since=min(since, at),
        age_seconds=(at - min(since, at)).total_seconds(),
        deadline=demo.ends_at,
        reason=demo.reason or "It is due and no worker sees to it: none runs, or none can reach the database.",
        error_class=ErrorClass.US,
        ways_out=ways,
        runbook="demo-late.md",
    )

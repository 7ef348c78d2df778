"""Reading and setting a tenant's window, and its time zone."""

from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.audit import service as audit
from control_plane.maintenance.models import MaintenanceWindow
from control_plane.maintenance.windows import USUAL, Window
from control_plane.platform import Platform
from control_plane.revisions import service as revisions
from control_plane.revisions.document import parse
from control_plane.tenants.models import Tenant


async def window_of(session: AsyncSession, tenant: Tenant) -> Window:
    row = await session.get(MaintenanceWindow, tenant.id)
    return row.window if row is not None else USUAL


async def zone_of(session: AsyncSession, tenant: Tenant) -> ZoneInfo:
    """The time zone of the tenant's first clinic, as its revision says."""
    return ZoneInfo(parse((await revisions.desired(session, tenant)).document).clinic.timezone)


async def choose(session: AsyncSession, platform: Platform, tenant: Tenant, window: Window | None, *, actor: Actor) -> Window:
    """Set the tenant's window; None goes back to the usual one. `tenant` is locked."""
    row = await session.get(MaintenanceWindow, tenant.id)
    before = row.window if row is not None else USUAL
    now = platform.clock.now()
    if window is None:
        if row is not None:
            await session.delete(row)
    else:
        chosen = {"start_time": window.start, "end_time": window.end, "days": sorted(window.days), "changed_at": now}
        await session.merge(MaintenanceWindow(tenant_id=tenant.id, **chosen))
    after = window or USUAL
    if after != before:
        audit.record(session, actor, "tenant.window_changed", at=now, tenant_id=tenant.id, before=described(before), after=described(after))
    await session.flush()
    return after


def described(window: Window) -> dict[str, object]:
    """As the audit and the API name it."""
    return {"start": window.start.isoformat("minutes"), "end": window.end.isoformat("minutes"), "days": sorted(window.days)}

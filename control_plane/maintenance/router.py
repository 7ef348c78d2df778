"""/v1/tenants/{slug}/maintenance-window and …/idle-slots: when a clinic may be restarted."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.maintenance import service
from control_plane.maintenance.models import MaintenanceWindow
from control_plane.maintenance.rest import ask, decide
from control_plane.maintenance.schemas import NewWindow, RestOut, WindowOut
from control_plane.platform import Platform
from control_plane.tenants.models import Tenant
from control_plane.tenants.router import KnownTenant, LockedTenant

router = APIRouter(prefix="/tenants/{slug}", tags=["maintenance"], route_class=PlatformRoute)


async def _shown(session: AsyncSession, platform: Platform, tenant: Tenant) -> WindowOut:
    usual = await session.get(MaintenanceWindow, tenant.id) is None
    window, zone = await service.window_of(session, tenant), await service.zone_of(session, tenant)
    return WindowOut.of(window, zone, usual=usual, at=platform.clock.now())


@router.get("/maintenance-window", dependencies=[Requires("tenants:read")])
async def get_maintenance_window(tenant: KnownTenant, session: Session, platform: ThisPlatform) -> WindowOut:
    """When the platform may restart this clinic for its own reasons."""
    return await _shown(session, platform, tenant)


@router.put("/maintenance-window", dependencies=[Requires("tenants:write")])
async def put_maintenance_window(
    new: NewWindow, tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> WindowOut:
    await service.choose(session, platform, tenant, new.window, actor=actor)
    return await _shown(session, platform, tenant)


@router.delete("/maintenance-window", dependencies=[Requires("tenants:write")])
async def delete_maintenance_window(tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform) -> WindowOut:
    """Go back to the usual window; the answer is that one."""
    await service.choose(session, platform, tenant, None, actor=actor)
    return await _shown(session, platform, tenant)


@router.get("/idle-slots", dependencies=[Requires("tenants:read")])
async def get_idle_slots(
    tenant: KnownTenant, session: Session, platform: ThisPlatform, minutes: Annotated[int, Query(ge=1, le=720)] = 15
) -> RestOut:
    """Ask the clinic's runtime when no patient is there. Wakes a runtime that sleeps."""
    needs = timedelta(minutes=minutes)
    rest = await ask(platform.deployer, platform.key, tenant.id, needs=needs)
    window, zone = await service.window_of(session, tenant), await service.zone_of(session, tenant)
    return RestOut.of(rest, decide(window, zone, rest, at=platform.clock.now(), needs=needs))

"""/v1/stuck, and `POST /v1/tenants/{slug}/unstick`."""

from fastapi import APIRouter

from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.operations.router import Reason
from control_plane.stuck import service
from control_plane.stuck.schemas import StuckList, UnstuckOut
from control_plane.tenants.router import LockedTenant

router = APIRouter(tags=["stuck"], route_class=PlatformRoute)


@router.get("/stuck", dependencies=[Requires("operations:read")])
async def list_stuck(session: Session, actor: CurrentActor, platform: ThisPlatform) -> StuckList:
    """What waits for a person, or should have ended by now: each with its reason, who can mend it, and the requests that get it out."""
    found = await service.find(session, at=platform.clock.now())
    return StuckList(items=found, oldest_seconds=max((one.age_seconds for one in found), default=0.0))


@router.post("/tenants/{slug}/unstick", status_code=202, dependencies=[Requires("operations:write")])
async def unstick_tenant(why: Reason, tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform) -> UnstuckOut:
    """Cut off the worker that holds it, make its operations due at once, and end a state that nobody is left to end."""
    seconds = platform.settings.lease_seconds
    done = await service.unstick(session, tenant, why.reason, actor=actor, at=platform.clock.now(), lease_seconds=seconds)
    return UnstuckOut(tenant=tenant.slug, state=tenant.state, done=done)

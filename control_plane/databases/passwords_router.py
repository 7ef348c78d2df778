"""/v1/tenants/{slug}/database-passwords: when they were made, and making them anew."""

from fastapi import APIRouter, Response

from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.databases import passwords
from control_plane.databases.passwords import PasswordsOut
from control_plane.tenants.router import KnownTenant, LockedTenant, answered
from control_plane.tenants.schemas import StartedOut
from control_plane.tenants.service import Started

router = APIRouter(prefix="/tenants/{slug}/database-passwords", tags=["databases"], route_class=PlatformRoute)


@router.get("", dependencies=[Requires("databases:read")])
async def get_database_passwords(tenant: KnownTenant) -> PasswordsOut:
    """How often the clinic's database passwords were made anew, and when last. The passwords themselves nobody can ask for."""
    return PasswordsOut.of(tenant)


@router.post("/rotate", status_code=202, dependencies=[Requires("databases:write")])
async def rotate_database_passwords(
    tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform, response: Response
) -> StartedOut:
    """Give the clinic's runtime new database passwords while it works; the earlier ones let nobody in once nothing uses them."""
    operation = await passwords.rotate(session, platform, tenant, actor=actor)
    return await answered(session, platform, Started(tenant, operation), response)

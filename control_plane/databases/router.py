"""/v1/database-servers: where tenants' data may lie."""

from fastapi import APIRouter
from sqlalchemy import select

from control_plane.access.requires import Guards
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.databases import service
from control_plane.databases.models import ServerRow
from control_plane.databases.schemas import ConditionOut, NewServer, ServerChange, ServerList, ServerOut

router = APIRouter(prefix="/database-servers", tags=["databases"], route_class=PlatformRoute, dependencies=[Guards("databases")])


@router.get("")
async def list_servers(session: Session, actor: CurrentActor, platform: ThisPlatform) -> ServerList:
    """All servers with what they hold. There are few of them: one answer has them all."""
    held = await service.tenants_by_server(session)
    rows = await session.scalars(select(ServerRow).order_by(ServerRow.name))
    settings = platform.settings
    own = ServerOut(
        name=None,
        region=settings.tenant_database_region,
        proofs=sorted(settings.tenant_database_proofs),
        capacity=settings.tenant_database_capacity if settings.tenant_database_region else None,
        tenants=held.get(None, 0),
        accepting=True,
        host=settings.tenant_database_host,
        created_at=None,
    )
    return ServerList(own=own, items=[ServerOut.of(row, held.get(row.name, 0)) for row in rows])


@router.post("", status_code=201)
async def register_server(new: NewServer, session: Session, actor: CurrentActor, platform: ThisPlatform) -> ServerOut:
    """Register a server. It is tried first: the role must be able to make roles and databases.

    With `cloudnativepg` it is declared to the operator, and takes tenants once it is ready and `accepting` is set.
    """
    return ServerOut.of(await service.register(session, platform, new, actor=actor), 0)


@router.get("/{name}")
async def get_server(name: str, session: Session, actor: CurrentActor) -> ServerOut:
    """One server, and how many tenants it holds."""
    return ServerOut.of(await service.find(session, name), (await service.tenants_by_server(session)).get(name, 0))


@router.get("/{name}/condition")
async def get_server_condition(name: str, session: Session, actor: CurrentActor, platform: ThisPlatform) -> ConditionOut:
    """Whether the server can be used now, and what keeps it from that: its own words, or its operator's."""
    return await service.condition(session, platform, name)


@router.patch("/{name}")
async def change_server(name: str, change: ServerChange, session: Session, actor: CurrentActor, platform: ThisPlatform) -> ServerOut:
    """Change what a server takes, can show, or how it is reached. One that accepts no more keeps the tenants it has."""
    row = await service.change(session, platform, name, change, actor=actor)
    return ServerOut.of(row, (await service.tenants_by_server(session)).get(name, 0))


@router.delete("/{name}")
async def remove_server(name: str, session: Session, actor: CurrentActor, platform: ThisPlatform) -> ServerOut:
    """Take out a server that holds no tenant any more, not even a deleted one's name. One that was declared goes with its data."""
    return ServerOut.of(await service.remove(session, platform, name, actor=actor), 0)

"""/v1/tenants/{slug}/domains: host names of a clinic's own."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends

from control_plane.access.requires import Guards
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.domains import service
from control_plane.domains.models import TenantDomain
from control_plane.domains.schemas import DomainList, DomainOut, NewDomain
from control_plane.domains.states import DomainState
from control_plane.tenants.models import Tenant
from control_plane.tenants.router import KnownTenant, LockedTenant

router = APIRouter(prefix="/tenants/{slug}/domains", tags=["domains"], route_class=PlatformRoute, dependencies=[Guards("tenants")])


async def locked_domain(name: str, tenant: LockedTenant, session: Session) -> TenantDomain:
    return await service.find(session, tenant, name.lower(), lock=True)


LockedDomain = Annotated[TenantDomain, Depends(locked_domain)]


def shown(domain: TenantDomain, tenant: Tenant) -> DomainOut:
    return DomainOut.of(domain, urlsplit(tenant.url).hostname if tenant.url else None)


@router.get("")
async def list_domains(tenant: KnownTenant, session: Session) -> DomainList:
    """The names a clinic asked for or answers at. There are few of them: one answer has them all."""
    return DomainList(items=[shown(one, tenant) for one in await service.live_of(session, tenant.id)])


@router.post("", status_code=201)
async def add_domain(new: NewDomain, tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform) -> DomainOut:
    """Ask for a name. Write the text record that the answer names; once it is found, the clinic answers there with a certificate."""
    return shown(await service.add(session, platform, tenant, new.name, actor=actor), tenant)


@router.post("/{name}/check", status_code=202)
async def check_domain(
    domain: LockedDomain, tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> DomainOut:
    """Look for its proof now instead of a little later."""
    if domain.state is DomainState.PENDING:
        domain.look_at = platform.clock.now()
    return shown(domain, tenant)


@router.delete("/{name}", status_code=202)
async def remove_domain(
    domain: LockedDomain, tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> DomainOut:
    """Take a name back; the clinic stops answering there."""
    await service.remove(session, domain, tenant, actor=actor, at=platform.clock.now())
    return shown(domain, tenant)

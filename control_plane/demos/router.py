"""/v1/demos: demonstrations, for operators and for resellers' own people."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from sqlalchemy import select

from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.demos import service
from control_plane.demos.models import DemoTenant
from control_plane.demos.schemas import DemoList, DemoOut, Extension, NewDemo
from control_plane.demos.states import DemoState
from control_plane.operations.schemas import OperationOut
from control_plane.pagination import WantedPage, page
from control_plane.tenants.models import Tenant
from control_plane.tenants.router import KnownTenant, LockedTenant
from control_plane.tenants.service import Started

router = APIRouter(prefix="/demos", tags=["demos"], route_class=PlatformRoute)
READ, WRITE = Requires("demos:read", own=True), Requires("demos:write", own=True)


class DemoChanged(BaseModel):
    """A demonstration and the operation that was begun for it; none where nothing had to be done."""

    demo: DemoOut
    operation: OperationOut | None


async def known_demo(tenant: KnownTenant, session: Session) -> DemoTenant:
    return await service.find(session, tenant)


async def locked_demo(tenant: LockedTenant, session: Session) -> DemoTenant:
    return await service.find(session, tenant, lock=True)


KnownDemo = Annotated[DemoTenant, Depends(known_demo)]
LockedDemo = Annotated[DemoTenant, Depends(locked_demo)]


def changed(demo: DemoTenant, started: Started) -> DemoChanged:
    operation = OperationOut.of(started.operation, started.tenant.slug) if started.operation else None
    return DemoChanged(demo=DemoOut.of(demo, started.tenant), operation=operation)


@router.post("", status_code=202, dependencies=[WRITE])
async def open_demo(new: NewDemo, session: Session, actor: CurrentActor, platform: ThisPlatform) -> DemoChanged:
    """Open a clinic with invented patients, for 14 days unless said otherwise. Nobody is charged, and nothing leaves it."""
    opened = await service.open_demo(session, platform, new, actor=actor)
    return changed(opened.demo, opened.started)


@router.get("", dependencies=[READ])
async def list_demos(session: Session, actor: CurrentActor, wanted: WantedPage, state: DemoState | None = None) -> DemoList:
    """The last opened first, also those that are over."""
    found = await page(session, service.listed(actor, state), DemoTenant.number, wanted=wanted, descending=True)
    ids = [one.tenant_id for one in found.items]
    named = {tenant.id: tenant for tenant in await session.scalars(select(Tenant).where(Tenant.id.in_(ids)))}
    return DemoList(items=[DemoOut.of(one, named[one.tenant_id]) for one in found.items], next=found.next)


@router.get("/{slug}", dependencies=[READ])
async def get_demo(demo: KnownDemo, tenant: KnownTenant) -> DemoOut:
    return DemoOut.of(demo, tenant)


@router.post("/{slug}/extension", status_code=202, dependencies=[WRITE])
async def extend_demo(
    demo: LockedDemo, tenant: LockedTenant, body: Extension, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> DemoChanged:
    """Let it last longer: once, and 60 days from its opening at most."""
    return changed(demo, await service.extend(session, platform, demo, tenant, body.days, actor=actor))


@router.delete("/{slug}", status_code=202, dependencies=[WRITE])
async def end_demo(demo: LockedDemo, tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform) -> DemoOut:
    """End it now: it is deleted and erased. Nothing of it can be brought back."""
    service.end(session, demo, tenant, actor=actor, at=platform.clock.now())
    return DemoOut.of(demo, tenant)

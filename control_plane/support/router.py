"""/v1/tenants/{slug}/support and /v1/support: asking a clinic to be let in, and what became of it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import select

from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform, show_once
from control_plane.pagination import WantedPage, page
from control_plane.support import service
from control_plane.support.models import SupportRequest
from control_plane.support.schemas import NewSupportRequest, SupportPassOut, SupportRequestList, SupportRequestOut
from control_plane.support.states import SupportState
from control_plane.tenants.models import Tenant
from control_plane.tenants.router import KnownTenant, LockedTenant

router = APIRouter(prefix="/tenants/{slug}/support", tags=["support"], route_class=PlatformRoute)
everywhere = APIRouter(prefix="/support", tags=["support"], route_class=PlatformRoute)
READ, ASK, END = Requires("support:read"), Requires("support:ask"), Requires("support:write")


async def locked_request(request_id: UUID, tenant: KnownTenant, session: Session) -> SupportRequest:
    return await service.find(session, tenant, request_id, lock=True)


LockedRequest = Annotated[SupportRequest, Depends(locked_request)]


@router.post("", status_code=201, dependencies=[ASK])
async def ask_the_clinic(
    new: NewSupportRequest, tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> SupportRequestOut:
    """Ask to look into a clinic. It reads your name and reason and answers in its own runtime; its owner is mailed."""
    made = await service.request(session, platform, tenant, why=new.why, minutes=new.minutes, hours=new.expires_in_hours, actor=actor)
    return SupportRequestOut.of(made, tenant.slug)


@router.get("", dependencies=[READ])
async def list_support_requests(tenant: KnownTenant, session: Session, wanted: WantedPage) -> SupportRequestList:
    """Who asked to look into this clinic, and what it said; the latest first."""
    query = select(SupportRequest).where(SupportRequest.tenant_id == tenant.id)
    found = await page(session, query, SupportRequest.number, wanted=wanted, descending=True)
    return SupportRequestList(items=[SupportRequestOut.of(each, tenant.slug) for each in found.items], next=found.next)


@router.get("/{request_id}", dependencies=[READ])
async def get_support_request(request_id: UUID, tenant: KnownTenant, session: Session) -> SupportRequestOut:
    return SupportRequestOut.of(await service.find(session, tenant, request_id), tenant.slug)


@router.post("/{request_id}/pass", status_code=201, dependencies=[ASK])
async def give_pass(
    support: LockedRequest, tenant: KnownTenant, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> SupportPassOut:
    """The way in, for the person the clinic let in and nobody else: a pass of a minute that its runtime takes once."""
    show_once(request, "support_pass")
    given = await service.let_in(session, platform, support, actor=actor)
    return SupportPassOut(support_pass=given, address=tenant.url or "", ends_at=support.deadline)


@router.delete("/{request_id}", dependencies=[END])
async def end_support(
    support: LockedRequest, tenant: KnownTenant, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> SupportRequestOut:
    """Take the request back, or end the access at once. A runtime that does not answer is told as soon as it does (`closing`)."""
    await service.end(session, platform, support, actor=actor)
    return SupportRequestOut.of(support, tenant.slug)


@everywhere.get("", dependencies=[READ])
async def list_all_support_requests(
    session: Session, wanted: WantedPage, state: Annotated[SupportState | None, Query()] = None
) -> SupportRequestList:
    """All of them, of every tenant; the latest first."""
    query = select(SupportRequest)
    if state is not None:
        query = query.where(SupportRequest.state == state)
    found = await page(session, query, SupportRequest.number, wanted=wanted, descending=True)
    named = select(Tenant.id, Tenant.slug).where(Tenant.id.in_([each.tenant_id for each in found.items]))
    slugs = {row.id: row.slug for row in await session.execute(named)}
    return SupportRequestList(items=[SupportRequestOut.of(each, slugs[each.tenant_id]) for each in found.items], next=found.next)

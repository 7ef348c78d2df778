"""/account/{slug}/agree, /end and /keep: choosing a plan where nothing is agreed, ending the subscription, and taking that back."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from control_plane.access.pages import typed
from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, Session, ThisPlatform
from control_plane.account_pages.routing import PATH, PageRoute, render, said
from control_plane.account_pages.texts import words_of
from control_plane.billing import agreements, choosing
from control_plane.billing import service as billing
from control_plane.errors import DomainError
from control_plane.tenants.router import KnownTenant, LockedTenant

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=PageRoute)
MUST_WRITE = Requires("billing:write")


@router.get("/clinics/{slug}/agree", dependencies=[MUST_WRITE])
async def show_offers(tenant: KnownTenant, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    known = await agreements.of(session, tenant.id)
    if known is not None and not known.status.over:
        return RedirectResponse(f"{PATH}/clinics/{tenant.slug}/plan", 303)
    found = await choosing.offers(session, platform, tenant, actor=actor)
    return render(request, "agree.html", tenant=tenant, at="plan", offers=found, problem=None)


@router.post("/clinics/{slug}/agree", dependencies=[MUST_WRITE])
async def agree(tenant: LockedTenant, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    """Agree to the plan whose price was shown; each plan's button carries it."""
    given = await typed(request, "plan", "confirmation")
    try:
        await choosing.choose(session, platform, tenant, given["plan"], given["confirmation"], actor=actor)
    except DomainError as error:
        found = await choosing.offers(session, platform, tenant, actor=actor)
        return render(request, "agree.html", error.status, tenant=tenant, at="plan", offers=found, problem=said(request, error))
    return RedirectResponse(f"{PATH}/clinics/{tenant.slug}?changed=1", 303)


@router.get("/clinics/{slug}/end", dependencies=[MUST_WRITE])
async def show_end(tenant: KnownTenant, request: Request, session: Session) -> Response:
    row = await agreements.require(session, tenant)
    return render(request, "end.html", tenant=tenant, at="overview", agreement=row, problem=None, reason="")


@router.post("/clinics/{slug}/end", dependencies=[MUST_WRITE])
async def end(tenant: LockedTenant, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    given = await typed(request, "confirm", "reason")
    row = await agreements.require(session, tenant)
    if given["confirm"].lower() != tenant.slug:
        problem = words_of(request)("confirm.differs", name=tenant.slug)
        return render(request, "end.html", 422, tenant=tenant, at="overview", agreement=row, problem=problem, reason=given["reason"])
    await billing.end(session, platform, tenant, reason=given["reason"][:500] or "the owner ended it on its page", actor=actor)
    return RedirectResponse(f"{PATH}/clinics/{tenant.slug}?changed=1", 303)


@router.post("/clinics/{slug}/keep", dependencies=[MUST_WRITE])
async def keep(tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    await billing.keep(session, platform, tenant, actor=actor)
    return RedirectResponse(f"{PATH}/clinics/{tenant.slug}?changed=1", 303)

"""/account/{slug}/plan, /invoices and /card: changing what is paid, with its price and effects before it is confirmed."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from control_plane.access.pages import typed
from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, Session, ThisPlatform
from control_plane.account_pages.routing import PATH, PageRoute, render, said
from control_plane.billing import agreements
from control_plane.billing import service as billing
from control_plane.billing.errors import PreviewOutdated
from control_plane.errors import DomainError
from control_plane.plans import service as plans
from control_plane.plans.tariff import ZERO
from control_plane.platform import Platform
from control_plane.releases import service as releases
from control_plane.revisions import service as revisions
from control_plane.revisions.document import parse
from control_plane.revisions.planner import ReasonKind
from control_plane.tenants.models import Tenant
from control_plane.tenants.router import KnownTenant, LockedTenant

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=PageRoute)


@router.get("/clinics/{slug}/invoices", dependencies=[Requires("billing:read")])
async def show_invoices(tenant: KnownTenant, request: Request, session: Session) -> Response:
    found = await agreements.invoices_of(session, tenant.id)
    return render(request, "invoices.html", tenant=tenant, at="invoices", invoices=found)


@router.post("/clinics/{slug}/card", dependencies=[Requires("billing:write")])
async def to_the_card(tenant: KnownTenant, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    """Sends on to the provider's own pages for the card: where there is no subscription yet, to the one that begins it."""
    back = f"{platform.settings.public_url.rstrip('/')}{PATH}/clinics/{tenant.slug}"
    row = await agreements.require(session, tenant)
    if row.subscription is None:
        page = await billing.checkout(session, platform, tenant, back=back, actor=actor)
    else:
        page = await billing.portal(session, platform, tenant, back=back, actor=actor)
    return render(request, "leaving.html", address=page.url)


@router.get("/clinics/{slug}/plan", dependencies=[Requires("billing:read")])
async def show_plan(tenant: KnownTenant, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    known = await agreements.of(session, tenant.id)
    if (known is None or known.status.over) and actor.may("billing:write") and tenant.somebodys_own:
        return RedirectResponse(f"{PATH}/clinics/{tenant.slug}/agree", 303)
    return render(request, "plan.html", **await _choices(session, platform, tenant), problem=None)


@router.post("/clinics/{slug}/plan", dependencies=[Requires("billing:write")])
async def preview_plan(tenant: KnownTenant, request: Request, session: Session, platform: ThisPlatform) -> Response:
    """What the choice costs and does. Nothing is written."""
    plan, modules = await _chosen(request)
    try:
        shown = await billing.preview(session, platform, tenant, plan=plan, modules=modules)
    except DomainError as error:
        choices = {**await _choices(session, platform, tenant), "plan": plan, "chosen": frozenset(modules)}
        return render(request, "plan.html", error.status, **choices, problem=said(request, error))
    tariff = await plans.current(session, platform.clock.today())
    own = await agreements.tariff_of(session, await agreements.require(session, tenant))
    titles = {name: plan.title for source in (tariff, own) for name, plan in source.plans.items()}
    return render(request, "confirm.html", tenant=tenant, at="plan", shown=shown, modules=modules, titles=titles)


@router.post("/clinics/{slug}/plan/confirm", dependencies=[Requires("billing:write"), Requires("tenants:write")])
async def change_plan(tenant: LockedTenant, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    """Do what the page before showed, at its price; where anything is different now, that page is shown anew."""
    plan, modules = await _chosen(request)
    given = await typed(request, "at", "confirmation")
    try:
        try:
            at = datetime.fromisoformat(given["at"])
        except ValueError as error:
            raise PreviewOutdated("it cannot be read.") from error
        await billing.change(session, platform, tenant, at=at, confirmation=given["confirmation"], plan=plan, modules=modules, actor=actor)
    except DomainError as error:
        choices = {**await _choices(session, platform, tenant), "plan": plan, "chosen": frozenset(modules)}
        return render(request, "plan.html", error.status, **choices, problem=said(request, error))
    return RedirectResponse(f"{PATH}/clinics/{tenant.slug}?changed=1", 303)


async def _chosen(request: Request) -> tuple[str | None, list[str]]:
    form = await request.form()
    plan = form.get("plan")
    modules = [value[:80] for value in form.getlist("module") if isinstance(value, str)][:200]
    return plan[:40] if isinstance(plan, str) and plan else None, modules


async def _choices(session: Session, platform: Platform, tenant: Tenant) -> dict[str, Any]:
    """The values of the form: what there is to choose, and what is chosen now."""
    agreement = await agreements.of(session, tenant.id)
    content = parse((await revisions.desired(session, tenant)).document)
    values: dict[str, Any] = {"tenant": tenant, "at": "plan", "agreement": agreement, "chosen": frozenset(tenant.chosen)}
    if agreement is None or agreement.status.over:
        return {**values, "plans": {}, "modules": (), "plan": None, "currency": "", "law": frozenset(), "needed_by": {}}
    tariff = await plans.current(session, platform.clock.today())
    own = await agreements.tariff_of(session, agreement)
    # Who keeps a plan keeps what was agreed; another one is agreed by what is sold today.
    offered = {name: plan for name, plan in tariff.offered.items() if name != agreement.plan}
    offered = {agreement.plan: own.plan(agreement.plan), **offered}
    offered = dict(sorted(offered.items(), key=lambda one: one[1].price.get(agreement.currency, ZERO)))
    catalogue = releases.catalogue_of(await releases.newest(session, releases.Offer.of(platform))).usable()
    prices = own.quote(agreement.plan, catalogue, agreement.currency)
    lines = {line.module: line for line in prices.lines}
    there = {module.name: module.reason.kind for module in content.modules}
    needed_by = {module.name: module.reason.by for module in content.modules if module.reason.kind == ReasonKind.NEEDED_BY}
    foreign = {name for name, module in catalogue.items() if module.fulfils and name not in there and name not in tenant.chosen}
    return {
        **values,
        "plans": offered,
        "plan": agreement.plan,
        "currency": agreement.currency,
        "modules": [(module, lines[name]) for name, module in catalogue.items() if name not in foreign],
        "needed_by": needed_by,
        "law": frozenset(name for name, kind in there.items() if kind == ReasonKind.REQUIRED_BY_LAW),
    }

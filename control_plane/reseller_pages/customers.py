"""/reseller/{reseller_id}: its clinics and where each stands, its demonstrations, and opening either."""

from secrets import token_urlsafe
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from control_plane.access.errors import ForOperators, ScopeNeeded
from control_plane.access.models import Reseller, TenantGrant
from control_plane.access.pages import typed
from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, Session, ThisPlatform
from control_plane.billing.ladder import Rung
from control_plane.billing.models import Agreement
from control_plane.demos import service as demos
from control_plane.demos.models import DemoTenant
from control_plane.demos.schemas import NewDemo
from control_plane.demos.states import UNFINISHED, DemoState
from control_plane.errors import DomainError
from control_plane.idempotency.service import first_time
from control_plane.plans import service as plans
from control_plane.platform import Platform
from control_plane.releases import service as releases
from control_plane.reseller_pages.routing import PATH, PageRoute, render, said, several
from control_plane.reseller_pages.texts import words_of
from control_plane.resellers import opening, service
from control_plane.resellers.belonging import customers
from control_plane.resellers.models import ResellerTenant
from control_plane.resellers.router import OwnReseller
from control_plane.resellers.schemas import NewCustomer
from control_plane.signup.pages import home_country
from control_plane.standing.models import PaymentStanding
from control_plane.tenants.models import Tenant

ONCE: Final = "once"
"""The field that tells one form from the next."""
router = APIRouter(prefix=PATH, include_in_schema=False, route_class=PageRoute)
READ, WRITE = Requires("resellers:read", own=True), Requires("resellers:write", own=True)
SHOWN: Final = 200
"""Rows of a list on a page; the API shows all."""


@router.get("", dependencies=[Requires("resellers:read", own=True)])
async def show_own(actor: CurrentActor) -> Response:
    """Sends on to the reseller whose people they are; operators name it in the address."""
    if actor.reseller_id is None:
        raise ForOperators
    return RedirectResponse(f"{PATH}/{actor.reseller_id}", 303)


@router.get("/{reseller_id}", dependencies=[READ, Requires("demos:read", own=True)])
async def show_customers(reseller: OwnReseller, request: Request, session: Session, platform: ThisPlatform) -> Response:
    now = platform.clock.now()
    mine = select(DemoTenant, Tenant).join(Tenant, Tenant.id == DemoTenant.tenant_id).where(DemoTenant.reseller_id == reseller.id)
    living = mine.where(DemoTenant.state.in_(UNFINISHED)).order_by(DemoTenant.ends_at).limit(SHOWN)
    return render(
        request,
        "customers.html",
        reseller=reseller,
        at="customers",
        customers=await _standing(session, reseller),
        demos=[(demo, tenant) for demo, tenant in await session.execute(living)],
        extendable=(DemoState.RUNNING, DemoState.ANNOUNCED),
        terms=await service.terms_of(session, reseller.id, at=now),
        used=await opening.used(session, reseller.id),
    )


async def _standing(session: AsyncSession, reseller: Reseller) -> list[dict[str, Any]]:
    """Each customer; how it stands with its payments only where the clinic lets the reseller in, or the reseller pays."""
    found = list(await session.scalars(customers(reseller.id).order_by(ResellerTenant.number.desc()).limit(SHOWN)))
    ids = [row.tenant_id for row in found]
    named = {one.id: one for one in await session.scalars(select(Tenant).where(Tenant.id.in_(ids)))}
    grants = select(TenantGrant.tenant_id).where(TenantGrant.reseller_id == reseller.id, TenantGrant.ended_at.is_(None))
    granted = set(await session.scalars(grants.where(TenantGrant.tenant_id.in_(ids))))
    paid = {one.tenant_id: one for one in await session.scalars(select(Agreement).where(Agreement.tenant_id.in_(ids)))}
    owed = {one.tenant_id: one for one in await session.scalars(select(PaymentStanding).where(PaymentStanding.tenant_id.in_(ids)))}
    rows = []
    for row in found:
        seen = row.tenant_id in granted
        standing = owed.get(row.tenant_id)
        rung = standing.state if standing is not None else Rung.NONE
        rows.append(
            {
                "row": row,
                "tenant": named[row.tenant_id],
                "granted": seen,
                "agreement": paid.get(row.tenant_id) if seen else None,
                "rung": rung if seen else None,
            }
        )
    return rows


@router.get("/{reseller_id}/open", dependencies=[WRITE])
async def show_opening(reseller: OwnReseller, request: Request, session: Session, platform: ThisPlatform) -> Response:
    given = {"country": home_country(request, platform)}
    return render(request, "open.html", **await _choices(request, session, platform, reseller), given=given, chosen=(), problem=None)


@router.post("/{reseller_id}/open", dependencies=[WRITE])
async def open_customer(reseller: OwnReseller, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    """A clinic, with who pays, plan and trial; with a page that says why where it is refused."""
    given = await typed(request, "name", "email", "country", "plan", "payer", "trial_days", ONCE)
    chosen = await several(request, "module")
    body = {"name": given["name"], "owner_email": given["email"], "country": given["country"], "modules": chosen, "payer": given["payer"]}
    body |= {name: given[name] for name in ("plan", "trial_days") if given[name] and given["plan"]}
    try:
        if given["plan"] and not actor.may("billing:write"):
            raise ScopeNeeded("billing:write")
        wanted = NewCustomer.model_validate(body)
        # What was written before something is refused is taken back; the form is shown anew from what is there.
        async with session.begin_nested():
            if await first_time(session, given[ONCE][:40], scope=actor.label, at=platform.clock.now()):
                await opening.open_customer(session, platform, reseller, wanted, actor=actor)
    except (DomainError, ValidationError) as error:
        return await _again(request, session, platform, reseller, error, given, chosen)
    return RedirectResponse(f"{PATH}/{reseller.id}", 303)


@router.post("/{reseller_id}/demos", dependencies=[WRITE, Requires("demos:write", own=True)])
async def open_demo(reseller: OwnReseller, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    given = await typed(request, "name", "email", "country", "language", "days", ONCE)
    chosen = await several(request, "module")
    body = {"name": given["name"], "owner_email": given["email"], "country": given["country"], "modules": chosen, "reseller": reseller.id}
    body |= {name: given[name] for name in ("language", "days") if given[name]}
    try:
        wanted = NewDemo.model_validate(body)
        async with session.begin_nested():
            if await first_time(session, given[ONCE][:40], scope=actor.label, at=platform.clock.now()):
                await demos.open_demo(session, platform, wanted, actor=actor)
    except (DomainError, ValidationError) as error:
        return await _again(request, session, platform, reseller, error, given, chosen)
    return RedirectResponse(f"{PATH}/{reseller.id}", 303)


@router.post("/{reseller_id}/demos/{tenant_id}/extend", dependencies=[WRITE, Requires("demos:write", own=True)])
async def extend_demo(
    tenant_id: UUID, reseller: OwnReseller, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> Response:
    """For as long as it may last at most: it can be extended once."""
    demo, tenant = await demos.of_reseller(session, reseller.id, tenant_id)
    await demos.extend(session, platform, demo, tenant, demos.most_days(demo), actor=actor)
    return RedirectResponse(f"{PATH}/{reseller.id}", 303)


@router.post("/{reseller_id}/demos/{tenant_id}/end", dependencies=[WRITE, Requires("demos:write", own=True)])
async def end_demo(tenant_id: UUID, reseller: OwnReseller, session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    demo, tenant = await demos.of_reseller(session, reseller.id, tenant_id)
    demos.end(session, demo, tenant, actor=actor, at=platform.clock.now())
    return RedirectResponse(f"{PATH}/{reseller.id}", 303)


async def _again(
    request: Request,
    session: AsyncSession,
    platform: Platform,
    reseller: Reseller,
    error: DomainError | ValidationError,
    given: dict[str, str],
    chosen: list[str],
) -> Response:
    """The form once more, with what is wrong; nothing was made."""
    if isinstance(error, DomainError):
        status, problem = error.status, said(request, error)
    else:
        places = sorted({str(one["loc"][0]) if one["loc"] else "" for one in error.errors()})
        say = words_of(request)
        fields = say.list([say(f"open.{name}") for name in places if say.has(f"open.{name}")])
        status, problem = 422, say("open.wrong", fields=fields)
    choices = await _choices(request, session, platform, reseller)
    return render(request, "open.html", status, **choices, given=given, chosen=frozenset(chosen), problem=problem)


async def _choices(request: Request, session: AsyncSession, platform: Platform, reseller: Reseller) -> dict[str, Any]:
    say = words_of(request)
    now = platform.clock.now()
    terms = await service.terms_of(session, reseller.id, at=now)
    tariff = await plans.current(session, platform.clock.today())
    catalogue = releases.catalogue_of(await releases.newest(session, releases.Offer.of(platform))).usable()
    names = {code: say.of(platform.packs.jurisdiction(code).name) for code in platform.packs.countries}
    return {
        "reseller": reseller,
        "at": "open",
        "once": token_urlsafe(18),
        "countries": sorted(names.items(), key=lambda one: one[1]),
        "plans": tariff.offered,
        "trial_days": tariff.trial_days,
        # What the law of a country asks for is added by itself.
        "modules": [one for one in catalogue.values() if not one.fulfils and (terms.modules is None or one.name in terms.modules)],
        "used": await opening.used(session, reseller.id),
        "terms": terms,
    }

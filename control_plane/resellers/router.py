"""/v1/resellers: who there is, what was agreed, its prices, its looks, its staff and its customers.

Resellers' own people reach what is under their own id (`own`); terms are the operators' to record.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import select

from control_plane.access import accounts
from control_plane.access.errors import ScopeNeeded
from control_plane.access.models import Account, Reseller, TenantGrant
from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform, show_once
from control_plane.audit import service as audit
from control_plane.pagination import WantedPage, page
from control_plane.plans import service as plans
from control_plane.resellers import correspondence, opening, service
from control_plane.resellers.belonging import customers
from control_plane.resellers.models import ResellerTenant, ResellerTerms
from control_plane.resellers.pricing import price_list
from control_plane.resellers.schemas import (
    BrandChange,
    BrandOut,
    Correspondence,
    CustomerList,
    CustomerOut,
    HiredOut,
    NewCustomer,
    NewReseller,
    NewTerms,
    PriceBookIn,
    PriceBookOut,
    PriceOut,
    ResellerDetail,
    ResellerList,
    ResellerOut,
    StaffList,
    StaffMember,
    StaffOut,
    TermsList,
    TermsOut,
)
from control_plane.tenants.models import Tenant
from control_plane.tenants.router import answered
from control_plane.tenants.schemas import StartedOut

router = APIRouter(prefix="/resellers", tags=["resellers"], route_class=PlatformRoute)
READ, WRITE = Requires("resellers:read", own=True), Requires("resellers:write", own=True)
AGREE = Requires("resellers:write")
"""For operators: without `own` nobody else reaches it."""


async def own_reseller(reseller_id: UUID, session: Session, actor: CurrentActor) -> Reseller:
    return await service.own(session, reseller_id, actor)


async def locked_reseller(reseller_id: UUID, session: Session, actor: CurrentActor) -> Reseller:
    return await service.own(session, reseller_id, actor, lock=True)


OwnReseller = Annotated[Reseller, Depends(own_reseller)]
LockedReseller = Annotated[Reseller, Depends(locked_reseller)]


@router.post("", status_code=201, dependencies=[AGREE])
async def create_reseller(body: NewReseller, session: Session, actor: CurrentActor, platform: ThisPlatform) -> ResellerOut:
    """A reseller, with what was agreed. Its first administrator is hired with `POST /v1/resellers/{reseller_id}/staff`."""
    at = platform.clock.now()
    made = await service.create(session, body.name, body.slug, body.terms, correspondence=body.correspondence, actor=actor, at=at)
    return ResellerOut.of(made)


@router.get("", dependencies=[Requires("resellers:read")])
async def list_resellers(session: Session, wanted: WantedPage) -> ResellerList:
    found = await page(session, select(Reseller), Reseller.name, wanted=wanted)
    return ResellerList(items=[ResellerOut.of(reseller) for reseller in found.items], next=found.next)


@router.get("/{reseller_id}", dependencies=[READ])
async def get_reseller(reseller: OwnReseller, session: Session, platform: ThisPlatform) -> ResellerDetail:
    """What was agreed with it, and how much of its ceilings is taken."""
    now = platform.clock.now()
    row = await service.terms_row(session, reseller.id, at=now)
    address = f"{platform.settings.public_url.rstrip('/')}/r/{reseller.slug}" if reseller.slug else None
    return ResellerDetail(
        **ResellerOut.of(reseller).model_dump(),
        terms=TermsOut.of(await service.terms_of(session, reseller.id, at=now), row),
        used=await opening.used(session, reseller.id),
        page=address,
    )


@router.post("/{reseller_id}/terms", status_code=201, dependencies=[AGREE])
async def agree_terms(reseller: LockedReseller, body: NewTerms, session: Session, actor: CurrentActor, platform: ThisPlatform) -> TermsOut:
    """Record other terms, from now or from a later day on. What was earned before stays as it was reckoned."""
    row = await service.agree(session, reseller, body, actor=actor, at=platform.clock.now())
    return TermsOut.of(row.value, row)


@router.get("/{reseller_id}/terms", dependencies=[READ])
async def list_terms(reseller: OwnReseller, session: Session, wanted: WantedPage) -> TermsList:
    """Everything that was ever agreed, the last first."""
    query = select(ResellerTerms).where(ResellerTerms.reseller_id == reseller.id)
    found = await page(session, query, ResellerTerms.number, wanted=wanted, descending=True)
    return TermsList(items=[TermsOut.of(row.value, row) for row in found.items], next=found.next)


@router.put("/{reseller_id}/correspondence", dependencies=[WRITE])
async def set_correspondence(
    reseller: LockedReseller, body: Correspondence, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> ResellerOut:
    """Where its invoices go, and the language it is written to in."""
    correspondence.set_correspondence(session, reseller, body, actor=actor, at=platform.clock.now())
    return ResellerOut.of(reseller)


@router.get("/{reseller_id}/prices", dependencies=[READ])
async def get_prices(reseller: OwnReseller, session: Session, platform: ThisPlatform) -> PriceBookOut:
    """Everything that is sold: the tariff's price, the floor, its own, and what clinics are asked."""
    tariff = await plans.current(session, platform.clock.today())
    book = await service.price_book(session, reseller.id)
    terms = await service.terms_of(session, reseller.id, at=platform.clock.now())
    listed = price_list(tariff, terms, service.prices_in(book))
    return PriceBookOut(tariff=tariff.id, made_at=book.created_at if book else None, items=[PriceOut.of(price) for price in listed])


@router.put("/{reseller_id}/prices", dependencies=[WRITE])
async def set_prices(
    reseller: LockedReseller, body: PriceBookIn, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> PriceBookOut:
    """Set its own prices, whole. They hold for clinics that sign up or change from now on; a price below its floor is refused."""
    tariff = await plans.current(session, platform.clock.today())
    await service.set_prices(session, reseller, tariff, body.prices, actor=actor, at=platform.clock.now())
    return await get_prices(reseller, session, platform)


@router.get("/{reseller_id}/brand", dependencies=[READ])
async def get_brand(reseller: OwnReseller, session: Session) -> BrandOut:
    return BrandOut.of(reseller, await service.brand_of(session, reseller.id))


@router.put("/{reseller_id}/brand", dependencies=[WRITE])
async def set_brand(reseller: LockedReseller, body: BrandChange, session: Session, actor: CurrentActor, platform: ThisPlatform) -> BrandOut:
    """Name, colour and logo of its pages. A colour that cannot be read on white is refused."""
    return BrandOut.of(reseller, await service.set_brand(session, reseller, body, actor=actor, at=platform.clock.now()))


@router.post("/{reseller_id}/staff", status_code=201, dependencies=[WRITE])
async def hire(
    reseller: OwnReseller, body: StaffMember, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> HiredOut:
    """An account for one of its people: `admin` runs the reseller's affairs, `staff` looks. The invitation sets the password."""
    show_once(request, "invitation")
    now = platform.clock.now()
    account = await service.hire(session, reseller, body, actor=actor, at=now)
    return HiredOut(**StaffOut.of(account).model_dump(), invitation=accounts.invitation(platform.key, account, at=now))


@router.get("/{reseller_id}/staff", dependencies=[READ])
async def list_staff(reseller: OwnReseller, session: Session, wanted: WantedPage) -> StaffList:
    found = await page(session, select(Account).where(Account.reseller_id == reseller.id), Account.email, wanted=wanted)
    return StaffList(items=[StaffOut.of(account) for account in found.items], next=found.next)


@router.delete("/{reseller_id}/staff/{account_id}", dependencies=[WRITE])
async def dismiss(reseller: OwnReseller, account_id: UUID, session: Session, actor: CurrentActor, platform: ThisPlatform) -> StaffOut:
    """None of the account's sessions and keys is accepted from now on."""
    now = platform.clock.now()
    account = await service.staff_member(session, reseller, account_id)
    await accounts.disable(session, account, at=now)
    audit.record(session, actor, "account.disabled", at=now, account=str(account.id), reseller=str(reseller.id))
    return StaffOut.of(account)


@router.post("/{reseller_id}/tenants", status_code=202, dependencies=[WRITE])
async def open_tenant(
    reseller: OwnReseller, body: NewCustomer, session: Session, actor: CurrentActor, platform: ThisPlatform, response: Response
) -> StartedOut:
    """Open a clinic for a customer, within the ceilings, with who pays, plan and trial. Where any of it is refused, nothing is made.

    Its owner is invited by mail, and may end the reseller's access at any time.
    """
    if body.plan is not None and not actor.may("billing:write"):
        raise ScopeNeeded("billing:write")
    started = await opening.open_customer(session, platform, reseller, body, actor=actor)
    return await answered(session, platform, started, response)


@router.get("/{reseller_id}/tenants", dependencies=[READ])
async def list_customers(reseller: OwnReseller, session: Session, wanted: WantedPage) -> CustomerList:
    """Its customers, the last taken in first: also those that ended its access, of which it sees no more than this."""
    found = await page(session, customers(reseller.id), ResellerTenant.number, wanted=wanted, descending=True)
    ids = [row.tenant_id for row in found.items]
    named = {tenant.id: tenant for tenant in await session.scalars(select(Tenant).where(Tenant.id.in_(ids)))}
    in_force = select(TenantGrant.tenant_id).where(TenantGrant.reseller_id == reseller.id, TenantGrant.ended_at.is_(None))
    granted = set(await session.scalars(in_force.where(TenantGrant.tenant_id.in_(ids))))
    return CustomerList(
        items=[
            CustomerOut(
                tenant_id=row.tenant_id,
                slug=named[row.tenant_id].slug,
                name=named[row.tenant_id].name,
                state=named[row.tenant_id].state,
                payer=row.payer,
                since=row.since,
                granted=row.tenant_id in granted,
            )
            for row in found.items
        ],
        next=found.next,
    )

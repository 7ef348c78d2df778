"""/account/transfers/{id}, where mails about a transfer lead: what would change, and agreeing to it or declining."""

from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from control_plane.access.actors import Actor
from control_plane.access.errors import ScopeNeeded
from control_plane.access.models import Reseller
from control_plane.access.pages import typed
from control_plane.access.requires import Requires, visible
from control_plane.access.routing import CurrentActor, Session, ThisPlatform
from control_plane.access.scopes import Kind
from control_plane.account_pages.routing import PATH, PageRoute, render
from control_plane.resellers import transfers
from control_plane.resellers.errors import UnknownTransfer
from control_plane.resellers.models import TenantTransfer
from control_plane.resellers.transfers import DIRECT, Concerned
from control_plane.tenants.models import Tenant

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=PageRoute)
MINE = Requires("tenants:read", own=True)


async def _concerned(session: AsyncSession, transfer_id: UUID, actor: Actor, *, lock: bool = False) -> Concerned:
    """The transfer, for the clinic's people and the staff of the resellers it is about. Raises UnknownTransfer for anybody else.

    Locked in the order in which the API locks: the tenant first.
    """
    reseller_id = actor.reseller_id if actor.kind == Kind.RESELLER else None
    found = await transfers.find(session, transfer_id, reseller_id=reseller_id, lock=False)
    if reseller_id is None and await session.scalar(visible(select(Tenant.id).where(Tenant.id == found.tenant_id), actor)) is None:
        raise UnknownTransfer(transfer_id)
    tenant = await session.get_one(Tenant, found.tenant_id, with_for_update=lock or None, populate_existing=lock)
    return (await transfers.find(session, transfer_id) if lock else found), tenant


@router.get("/transfers/{transfer_id}", dependencies=[MINE])
async def show_transfer(transfer_id: UUID, request: Request, session: Session, actor: CurrentActor) -> Response:
    transfer, tenant = await _concerned(session, transfer_id, actor)
    return render(
        request,
        "transfer.html",
        clinic=tenant,
        transfer=transfer,
        giving=await _name(session, transfer.giving_id),
        taking=await _name(session, transfer.taking_id),
        waits=_waits_for(transfer, actor),
    )


@router.post("/transfers/{transfer_id}", dependencies=[MINE])
async def answer(transfer_id: UUID, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    """Agree or decline, for the clinic or for the reseller whose staff it is."""
    needed = "resellers:write" if actor.kind == Kind.RESELLER else "tenants:grant"
    if not actor.may(needed):
        raise ScopeNeeded(needed)
    given = await typed(request, "answer", "note")
    concerned = await _concerned(session, transfer_id, actor, lock=True)
    party: transfers.Party | None = None if actor.kind in (Kind.OWNER, Kind.RESELLER) else "clinic"
    note = given["note"][:500] or None
    if given["answer"] == "agree":
        await transfers.accept(session, platform, concerned, party=party, note=note, actor=actor)
    else:
        await transfers.decline(session, platform, concerned, party=party, note=note, actor=actor)
    return RedirectResponse(f"{PATH}/transfers/{transfer_id}", 303)


def _waits_for(transfer: TenantTransfer, actor: Actor) -> bool:
    """Whether this person's answer is missing."""
    if transfer.closed_at is not None or actor.kind not in (Kind.OWNER, Kind.RESELLER):
        return False
    return transfers.party_of(transfer, actor, None) not in transfer.consents


async def _name(session: AsyncSession, reseller_id: UUID | None) -> str:
    return (await session.get_one(Reseller, reseller_id)).name if reseller_id is not None else DIRECT

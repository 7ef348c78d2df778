"""`/api/v1/users`: the people of the clinic of the request."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import trail
from app.core.auth.account_schemas import EntryOut
from app.core.auth.dependencies import ClinicContext, get_clinic_context, get_identity, require_permission
from app.core.auth.identity import Identity
from app.core.auth.links import MadeLink
from app.core.auth.models import AccessEntry
from app.core.auth.resets import can_mail
from app.core.auth.trail import Origin
from app.core.limits.guard import refuse_person
from app.core.mail.texts import account_mail
from app.core.modes import refuse
from app.core.schemas import ApiResponse, PaginatedApiResponse
from app.database import current_unit, get_db

from . import people, service
from .errors import CannotMail
from .people import Member
from .schemas import Deliver, Delivery, HandedLink, Invitation, InvitedOut, PersonChange, PersonOut, Status
from .service import Actor

router = APIRouter(prefix="/users", tags=["users"])

Clinic = Annotated[ClinicContext, Depends(get_clinic_context)]
Db = Annotated[AsyncSession, Depends(get_db)]
Page = Annotated[int, Query(ge=1, le=10_000)]
PageSize = Annotated[int, Query(ge=1, le=100)]
MayRead = Annotated[None, Depends(require_permission("admin.users.read"))]
MayAudit = Annotated[None, Depends(require_permission("admin.audit.read"))]


async def acting(
    ctx: Clinic,
    _: Annotated[None, Depends(require_permission("admin.users.write"))],
    identity: Annotated[Identity, Depends(get_identity)],
    request: Request,
) -> Actor:
    """Whoever may manage people here."""
    return Actor(identity, ctx.clinic_id, ctx.permissions, request.app.state.registry, Origin.of(request))


Manager = Annotated[Actor, Depends(acting)]


@router.get("", response_model=PaginatedApiResponse[PersonOut])
async def list_people(
    ctx: Clinic,
    _: MayRead,
    db: Db,
    search: Annotated[str | None, Query(max_length=100, pattern=r"^[^\x00]*$")] = None,
    status: Status | None = None,
    page: Page = 1,
    page_size: PageSize = 20,
) -> PaginatedApiResponse[PersonOut]:
    """By e-mail address, with what became of each one's newest link."""
    found, total = await people.list_people(db, ctx.clinic_id, search=search, status=status, page=page, page_size=page_size)
    return PaginatedApiResponse(data=found, total=total, page=page, page_size=page_size)


@router.post("", response_model=ApiResponse[InvitedOut], status_code=201)
async def invite(given: Invitation, actor: Manager, ctx: Clinic, db: Db, request: Request) -> ApiResponse[InvitedOut]:
    """Invite somebody: by mail, or with a link to hand over. Who has an account in another clinic of the tenant just gets this one too."""
    refuse("admit", request.app.state.mode)
    deliver = _deliver(request, given.deliver)
    await refuse_person(db, request.app.state.limits, given.email)
    user_id, needs_link = await service.invite(db, actor, given)
    handed = await _hand_over(request, db, actor, ctx, user_id, deliver) if needs_link else None
    return ApiResponse(data=InvitedOut(person=await people.get_person(db, ctx.clinic_id, user_id), link=handed))


@router.get("/-/trail", response_model=PaginatedApiResponse[EntryOut])
async def clinic_trail(
    ctx: Clinic,
    _: MayAudit,
    db: Db,
    user_id: UUID | None = None,
    event: Annotated[str | None, Query(max_length=40, pattern=r"^[a-z_]+$")] = None,
    page: Page = 1,
    page_size: PageSize = 20,
) -> PaginatedApiResponse[EntryOut]:
    """Sign-ins of the clinic's people and changes to who may do what, newest first; kept for a year."""
    query = trail.of_clinic(ctx.clinic_id)
    if user_id is not None:
        query = query.where(AccessEntry.user_id == user_id)
    if event is not None:
        query = query.where(AccessEntry.event == event)
    rows, total = await trail.page_of(db, query, page=page, page_size=page_size)
    return PaginatedApiResponse(data=[EntryOut.of(*row) for row in rows], total=total, page=page, page_size=page_size)


@router.get("/{user_id}", response_model=ApiResponse[PersonOut])
async def get_person(user_id: UUID, ctx: Clinic, _: MayRead, db: Db) -> ApiResponse[PersonOut]:
    return ApiResponse(data=await people.get_person(db, ctx.clinic_id, user_id))


@router.patch("/{user_id}", response_model=ApiResponse[PersonOut])
async def change_person(user_id: UUID, given: PersonChange, actor: Manager, db: Db, request: Request) -> ApiResponse[PersonOut]:
    """Another role, disabled or active, another name. Disabled, they are out of this clinic with their next request."""
    if given.status == "active":
        before = await people.get_person(db, actor.clinic_id, user_id)
        if before.status != "active":
            refuse("admit", request.app.state.mode)
            await refuse_person(db, request.app.state.limits, before.email)
    await service.change(db, actor, user_id, given)
    return ApiResponse(data=await people.get_person(db, actor.clinic_id, user_id))


@router.post("/{user_id}/link", response_model=ApiResponse[HandedLink], status_code=201)
async def make_link(user_id: UUID, given: Delivery, actor: Manager, ctx: Clinic, db: Db, request: Request) -> ApiResponse[HandedLink]:
    """A link to set a password: the invitation again, or a reset. Only the newest link of a person works."""
    return ApiResponse(data=await _hand_over(request, db, actor, ctx, user_id, _deliver(request, given.deliver)))


@router.post("/{user_id}/sign-out", response_model=ApiResponse[None])
async def sign_out(user_id: UUID, actor: Manager, db: Db) -> ApiResponse[None]:
    """End every session of somebody, at once; your own one goes on."""
    await service.sign_out(db, actor, user_id)
    return ApiResponse(data=None, message="Signed out everywhere.")


@router.delete("/{user_id}/second-factor", response_model=ApiResponse[None])
async def reset_second_factor(user_id: UUID, actor: Manager, db: Db) -> ApiResponse[None]:
    """For somebody who lost phone and recovery codes: their next sign-in takes the password alone."""
    await service.reset_second_factor(db, actor, user_id)
    return ApiResponse(data=None, message="The second factor is removed.")


def _deliver(request: Request, asked: Deliver | None) -> Deliver:
    possible = can_mail(request)
    if asked == "mail" and not possible:
        raise CannotMail
    return asked or ("mail" if possible else "link")


async def _hand_over(request: Request, db: AsyncSession, actor: Actor, ctx: ClinicContext, user_id: UUID, deliver: Deliver) -> HandedLink:
    member, link = await service.make_link(db, actor, user_id, handed=deliver == "link")
    base = str(request.app.state.settings.public_url or request.base_url)
    if deliver == "link":
        return HandedLink(url=link.url(base), expires_at=link.expires_at, mailed=False)
    _mail(request, member, link, ctx, base)
    return HandedLink(url=None, expires_at=link.expires_at, mailed=True)


def _mail(request: Request, member: Member, link: MadeLink, ctx: ClinicContext, base: str) -> None:
    room = request.app.state.mail
    mail = account_mail(
        link.purpose,
        key=f"account-{link.id}",
        to=member.user.email,
        link=link.url(base),
        clinic=ctx.clinic.name,
        locale=ctx.clinic.locale,
    )
    unit = current_unit()
    assert unit is not None
    unit.after_commit(lambda: room.start(lambda: room.send(mail, link.id)))

"""/reseller/{reseller_id}/people, /commission and /statements: who works there, where its post goes, and what it earned."""

from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi import Path as InPath
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from control_plane.access import accounts
from control_plane.access.models import Account, Reseller
from control_plane.access.pages import typed
from control_plane.access.routing import CurrentActor, Session, ThisPlatform
from control_plane.audit import service as audit
from control_plane.errors import DomainError
from control_plane.reseller_pages.customers import READ, WRITE
from control_plane.reseller_pages.routing import PATH, PageRoute, render, said
from control_plane.reseller_pages.texts import words_of
from control_plane.resellers import correspondence, ledger, service, statements
from control_plane.resellers.models import CommissionEntry, CommissionStatement
from control_plane.resellers.router import LockedReseller, OwnReseller
from control_plane.resellers.schemas import Correspondence, StaffMember
from control_plane.resellers.statements_router import statement_csv, statement_page
from control_plane.resellers.texts import Words

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=PageRoute)
SHOWN: Final = 100
Month = Annotated[str, InPath(pattern=r"^[0-9]{4}-[0-9]{2}$")]
Currency = Annotated[str, InPath(pattern=r"^[A-Z]{3}$")]


@router.get("/{reseller_id}/people", dependencies=[READ])
async def show_people(reseller: OwnReseller, request: Request, session: Session) -> Response:
    return render(request, "staff.html", **await _people(session, reseller), invitation=None, problem=None)


@router.post("/{reseller_id}/people", dependencies=[WRITE])
async def hire(reseller: OwnReseller, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    """The link is shown once, to be passed on."""
    given = await typed(request, "email", "name", "role")
    now = platform.clock.now()
    try:
        account = await service.hire(session, reseller, StaffMember.model_validate(given), actor=actor, at=now)
    except (DomainError, ValidationError) as error:
        problem = said(request, error) if isinstance(error, DomainError) else words_of(request)("error.email")
        return render(request, "staff.html", 422, **await _people(session, reseller), invitation=None, problem=problem)
    token = accounts.invitation(platform.key, account, at=now)
    link = f"{platform.settings.public_url.rstrip('/')}{PATH}/join?{urlencode({'token': token})}"
    return render(request, "staff.html", **await _people(session, reseller), invitation=(account.email, link), problem=None)


@router.post("/{reseller_id}/people/{account_id}/dismiss", dependencies=[WRITE])
async def dismiss(account_id: UUID, reseller: OwnReseller, session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    now = platform.clock.now()
    account = await service.staff_member(session, reseller, account_id)
    await accounts.disable(session, account, at=now)
    audit.record(session, actor, "account.disabled", at=now, account=str(account.id), reseller=str(reseller.id))
    return RedirectResponse(f"{PATH}/{reseller.id}/people", 303)


@router.post("/{reseller_id}/correspondence", dependencies=[WRITE])
async def set_correspondence(
    reseller: LockedReseller, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> Response:
    given = await typed(request, "billing_email", "language")
    try:
        wanted = Correspondence.model_validate({"billing_email": given["billing_email"] or None, "language": given["language"]})
    except ValidationError:
        problem = words_of(request)("error.email")
        return render(request, "staff.html", 422, **await _people(session, reseller), invitation=None, problem=problem)
    correspondence.set_correspondence(session, reseller, wanted, actor=actor, at=platform.clock.now())
    return RedirectResponse(f"{PATH}/{reseller.id}/people", 303)


async def _people(session: AsyncSession, reseller: Reseller) -> dict[str, Any]:
    working = select(Account).where(Account.reseller_id == reseller.id, Account.disabled_at.is_(None)).order_by(Account.email).limit(SHOWN)
    return {"reseller": reseller, "at": "people", "staff": list(await session.scalars(working))}


@router.get("/{reseller_id}/commission", dependencies=[READ])
async def show_commission(reseller: OwnReseller, request: Request, session: Session) -> Response:
    """The ledger's last lines, each in words, and every month's statement."""
    mine = select(CommissionEntry).where(CommissionEntry.reseller_id == reseller.id).order_by(CommissionEntry.number.desc()).limit(SHOWN)
    issued = select(CommissionStatement).where(CommissionStatement.reseller_id == reseller.id)
    return render(
        request,
        "commission.html",
        reseller=reseller,
        at="commission",
        lines=await statements.lines(session, list(await session.scalars(mine))),
        own=Words(reseller.language),
        statements=list(await session.scalars(issued.order_by(CommissionStatement.number.desc()).limit(SHOWN))),
        balance=await ledger.balance(session, reseller.id),
    )


@router.get("/{reseller_id}/statements/{month}/{currency}", dependencies=[READ])
async def show_statement(reseller: OwnReseller, month: Month, currency: Currency, session: Session) -> Response:
    return await statement_page(session, reseller, await statements.find(session, reseller, month, currency))


@router.get("/{reseller_id}/statements/{month}/{currency}/csv", dependencies=[READ])
async def download_statement(reseller: OwnReseller, month: Month, currency: Currency, session: Session) -> Response:
    return await statement_csv(session, reseller, await statements.find(session, reseller, month, currency))

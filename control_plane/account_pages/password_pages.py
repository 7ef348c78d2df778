"""/account/password: a password for whoever just came by a mailed link, or who knows the present one."""

from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from control_plane.access import accounts, signing_in
from control_plane.access.actors import Actor
from control_plane.access.errors import NeedsASession
from control_plane.access.pages import typed
from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, Session, ThisPlatform
from control_plane.account_pages.routing import PATH, PageRoute, render, said
from control_plane.account_pages.texts import words_of
from control_plane.audit import service as audit
from control_plane.errors import DomainError
from control_plane.platform import Platform

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=PageRoute)
MINE = Requires(None, own=True)


@router.get("/password", dependencies=[MINE])
async def show_password(request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    known, ask = await _asked(session, actor, platform)
    return render(request, "password.html", known=known, ask=ask, problem=None, done=False)


@router.post("/password", dependencies=[MINE])
async def set_password(request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    """Everybody else who is signed in under this account is signed out."""
    given = await typed(request, "current", "new", "again")
    known, ask = await _asked(session, actor, platform)
    account_id, session_id = _mine(actor)
    if given["new"] != given["again"]:
        return render(request, "password.html", 422, known=known, ask=ask, problem=words_of(request)("password.differs"), done=False)
    try:
        if ask:
            await signing_in.change_password(platform, session, account_id, session_id, current=given["current"], new=given["new"])
        else:
            await signing_in.choose_password(platform, session, account_id, session_id, new=given["new"])
    except DomainError as error:
        return render(request, "password.html", error.status, known=known, ask=ask, problem=said(request, error), done=False)
    action = "account.password_changed" if known else "account.password_set"
    audit.record(session, actor, action, at=platform.clock.now(), by="knowing it" if ask else "a mailed link")
    return render(request, "password.html", known=True, ask=ask, problem=None, done=True)


async def _asked(session: AsyncSession, actor: Actor, platform: Platform) -> tuple[bool, bool]:
    """Whether there is a password, and whether it is asked for. Raises NeedsASession."""
    account_id, session_id = _mine(actor)
    known = (await accounts.get(session, account_id)).password_hash is not None
    return known, not await signing_in.knows_by_mail(session, account_id, session_id, at=platform.clock.now())


def _mine(actor: Actor) -> tuple[UUID, UUID]:
    if actor.account_id is None or actor.session_id is None:
        raise NeedsASession
    return actor.account_id, actor.session_id

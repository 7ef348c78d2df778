"""/account/password: a password for whoever came by a mailed link, or another one for whoever knows the present one."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from control_plane.access import accounts, signing_in
from control_plane.access.errors import NeedsASession
from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, Session, ThisPlatform
from control_plane.account_pages.entrance import typed
from control_plane.account_pages.routing import PATH, PageRoute, render, said
from control_plane.account_pages.texts import words_of
from control_plane.audit import service as audit
from control_plane.errors import DomainError

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=PageRoute)
MINE = Requires(None, own=True)


@router.get("/password", dependencies=[MINE])
async def show_password(request: Request, session: Session, actor: CurrentActor) -> Response:
    if actor.account_id is None:
        raise NeedsASession
    known = (await accounts.get(session, actor.account_id)).password_hash is not None
    return render(request, "password.html", known=known, problem=None, done=False)


@router.post("/password", dependencies=[MINE])
async def set_password(request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    """Everybody else who is signed in under this account is signed out."""
    given = await typed(request, "current", "new", "again")
    account_id, session_id = actor.account_id, actor.session_id
    if account_id is None or session_id is None:
        raise NeedsASession
    known = (await accounts.get(session, account_id)).password_hash is not None
    if given["new"] != given["again"]:
        return render(request, "password.html", 422, known=known, problem=words_of(request)("password.differs"), done=False)
    try:
        if known:
            await signing_in.change_password(platform, session, account_id, session_id, current=given["current"], new=given["new"])
        else:
            await signing_in.choose_password(platform, session, account_id, session_id, new=given["new"])
    except DomainError as error:
        return render(request, "password.html", error.status, known=known, problem=said(request, error), done=False)
    action = "account.password_changed" if known else "account.password_set"
    audit.record(session, actor, action, at=platform.clock.now())
    return render(request, "password.html", known=True, problem=None, done=True)

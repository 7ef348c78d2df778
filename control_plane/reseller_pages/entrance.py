"""/reseller without being signed in: the form, and the page on which somebody who was invited sets a password."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from control_plane.access import accounts, signing_in, throttle
from control_plane.access.pages import LONGEST, typed
from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, Session, ThisPlatform, refuse_foreign
from control_plane.access.schemas import Credentials
from control_plane.access.session_router import peer_of
from control_plane.account_pages.entering import person
from control_plane.audit import service as audit
from control_plane.errors import DomainError
from control_plane.reseller_pages.routing import AREA, PATH, PageRoute, render, said
from control_plane.reseller_pages.texts import words_of

router = APIRouter(prefix=PATH, include_in_schema=False)
leaving = APIRouter(prefix=PATH, include_in_schema=False, route_class=PageRoute)


@router.get("/sign-in")
async def show_sign_in(request: Request, after: str = PATH) -> Response:
    return render(request, "reseller_sign_in.html", after=AREA.inside(after), problem=None)


@router.post("/sign-in")
async def sign_in(request: Request, platform: ThisPlatform) -> Response:
    given = await typed(request, "email", "password", "code", "after")
    after = AREA.inside(given["after"])
    try:
        refuse_foreign(request, platform)
        body = Credentials.model_validate({"email": given["email"], "password": given["password"], "code": given["code"] or None})
        signed_in = await signing_in.sign_in(
            platform, platform.passwords, email=body.email, password=body.password, code=body.code, peer=peer_of(request)
        )
        async with platform.database.transaction() as session:
            audit.record(session, person(signed_in.account), "session.begun", at=platform.clock.now(), by="password")
    except ValidationError:
        return render(request, "reseller_sign_in.html", 422, after=after, problem=words_of(request)("error.email"))
    except DomainError as error:
        return render(request, "reseller_sign_in.html", error.status, after=after, problem=said(request, error))
    answer = RedirectResponse(after, 303)
    AREA.give_cookie(answer, platform, signed_in)
    return answer


@router.get("/join")
async def show_join(request: Request, token: Annotated[str, Query(max_length=LONGEST)] = "") -> Response:
    return render(request, "reseller_join.html", token=token, problem=None)


@router.post("/join")
async def join(request: Request, platform: ThisPlatform) -> Response:
    """Use an invitation: set the account's password. Limited as `POST /v1/session/password` is."""
    given = await typed(request, "token", "password")
    now = platform.clock.now()
    try:
        refuse_foreign(request, platform)
        await throttle.attempt(platform.database, [throttle.bucket(throttle.TOKEN, throttle.neighbourhood(peer_of(request)))], at=now)
        async with platform.database.transaction() as session:
            account = await accounts.set_password(
                session, platform.key, platform.passwords, token=given["token"], password=given["password"], at=now
            )
            audit.record(session, person(account), "account.password_set", at=now)
    except DomainError as error:
        return render(request, "reseller_join.html", error.status, token=given["token"], problem=said(request, error))
    return RedirectResponse(f"{PATH}/sign-in", 303)


@leaving.post("/sign-out", dependencies=[Requires(None, own=True, enrolling=True)])
async def sign_out(session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    return await AREA.sign_out(session, actor, platform)

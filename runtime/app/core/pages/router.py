"""The pages and their forms."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import clock
from app.core.auth import invitations, links, resets, service, sessions, trail
from app.core.auth.dependencies import asked_clinic
from app.core.auth.errors import (
    PasswordTooWeak,
    SecondFactorNeeded,
    SecondFactorUnreadable,
    SecondFactorWrong,
    SignInExpired,
    TooManyAttempts,
    WrongCredentials,
)
from app.core.auth.permissions import permissions_for
from app.core.auth.resets import can_mail
from app.core.auth.state import auth_state
from app.core.auth.throttle import LINK
from app.core.auth.trail import Origin
from app.core.limits.router import PlanOut
from app.core.limits.usage import usage
from app.core.support import service as support
from app.database import get_db

from .forms import read_form
from .overview import overview
from .records import readable_by
from .render import STYLESHEET, page, stylesheet
from .support import may_answer
from .visitor import enter, see, signed_in

router = APIRouter(include_in_schema=False, default_response_class=Response)
Db = Annotated[AsyncSession, Depends(get_db)]


@router.get(STYLESHEET)
async def get_stylesheet() -> Response:
    return stylesheet()


@router.get("/")
async def home(request: Request, db: Db, asked: Annotated[UUID | None, Depends(asked_clinic)]) -> Response:
    """The clinic at a glance, or the sign-in page."""
    identity = await signed_in(request, db)
    if identity is None:
        return see("/sign-in")
    view = overview(identity, asked, request.app.state.registry)
    plan = None
    if (
        request.app.state.limits.plan
        and view.current is not None
        and "admin.clinic.read" in permissions_for(view.current.grants, request.app.state.registry)
    ):
        plan = PlanOut.of(request.app.state.limits, await usage(db, request.app.state.storage))
    records = view.current is not None and bool(readable_by(request, identity, view.current))
    waiting = may_answer(request, identity) and await support.waits(db, at=clock.now())
    return page(request, "home.html", view=view, plan=plan, support_waiting=waiting, records=records)


@router.get("/sign-in")
async def sign_in_page(request: Request, signed_out: bool = False, password_set: bool = False) -> Response:
    said = "signed_out" if signed_out else "password_set" if password_set else None
    return _sign_in_page(request, said=said)


@router.post("/sign-in")
async def sign_in(request: Request, db: Db) -> Response:
    form = await read_form(request)
    email, password = form.get("email", ""), form.get("password", "")
    try:
        opened = await service.sign_in(db, auth_state(request), email=email, password=password, origin=Origin.of(request), for_pages=True)
    except SecondFactorNeeded as needed:
        return page(request, "sign_in_code.html", pending=needed.context["pending"], error=None)
    except (WrongCredentials, TooManyAttempts) as error:
        return _sign_in_page(request, status=error.status, email=email, error=error.code)
    return enter(request, opened)


@router.post("/sign-in/code")
async def second_step(request: Request, db: Db) -> Response:
    """The second step: a code of the authenticator app, or a recovery code."""
    form = await read_form(request)
    pending = form.get("pending", "")
    try:
        opened = await service.complete_sign_in(
            db, auth_state(request), pending=pending, code=form.get("code", "")[:40], origin=Origin.of(request), for_pages=True
        )
    except SignInExpired as error:
        return _sign_in_page(request, status=error.status, error=error.code)
    except (SecondFactorWrong, SecondFactorUnreadable, TooManyAttempts) as error:
        return page(request, "sign_in_code.html", status=error.status, pending=pending, error=error.code)
    return enter(request, opened)


@router.post("/sign-out")
async def sign_out(request: Request, db: Db) -> Response:
    await read_form(request)
    response = see("/sign-in?signed_out=1")
    identity = await signed_in(request, db)
    if identity is not None:
        await sessions.end_session(db, identity.session_id)
        await trail.record(db, request, "signed_out", user_id=identity.user.id, session_id=str(identity.session_id))
    auth_state(request).clear_cookie(response)
    return response


@router.get("/welcome")
async def welcome_page(request: Request, db: Db, token: str = "") -> Response:
    """The form an invitation link opens; what is wrong with a link is said by the error pages."""
    welcome = await invitations.open_welcome(db, token)
    return page(request, "welcome.html", email=welcome.email, token=token, error=None)


@router.post("/welcome")
async def welcome(request: Request, db: Db, token: str = "") -> Response:
    """Set the first password, burn the link and sign in."""
    form = await read_form(request)
    token = form.get("token") or token
    opened = await invitations.open_welcome(db, token)
    password = form.get("password", "")
    error = "password_mismatch" if password != form.get("password_again") else None
    if error is None:
        try:
            await invitations.set_first_password(db, auth_state(request).passwords, opened, password)
        except PasswordTooWeak:
            error = "password_weak"
    if error is not None:
        return page(request, "welcome.html", status=422, email=opened.email, token=token, error=error)
    return enter(request, await sessions.open_session(db, opened.user_id, Origin.of(request), for_pages=True))


@router.get("/forgot")
async def forgot_page(request: Request) -> Response:
    return page(request, "forgot.html", sent=False, error=None, can_mail=can_mail(request))


@router.post("/forgot")
async def forgot(request: Request) -> Response:
    """Mail a link to set a new password; the page is the same whether there is such an account or not."""
    form = await read_form(request)
    try:
        await resets.ask(request, form.get("email", "")[:254])
    except (TooManyAttempts, resets.NoMailHere) as error:
        return page(request, "forgot.html", status=error.status, sent=False, error=error.code, can_mail=can_mail(request))
    return page(request, "forgot.html", sent=True, error=None, can_mail=True)


@router.get("/password")
async def password_page(request: Request, db: Db, token: str = "") -> Response:
    """The form a link to set a password opens."""
    await _limit_links(request)
    return _password_page(request, await links.open_link(db, token), token)


@router.post("/password")
async def set_password(request: Request, db: Db) -> Response:
    """Set the password and use the link up; sign in, unless a code is asked for."""
    form = await read_form(request)
    token, password = form.get("token", ""), form.get("password", "")
    await _limit_links(request)
    link = await links.open_link(db, token)
    if password != form.get("password_again"):
        return _password_page(request, link, token, error="password_mismatch")
    try:
        await links.use(db, auth_state(request), link, password, origin=Origin.of(request))
    except PasswordTooWeak:
        return _password_page(request, link, token, error="password_weak")
    if link.has_second_factor:
        return see("/sign-in?password_set=1")
    return enter(request, await sessions.open_session(db, link.user_id, Origin.of(request), for_pages=True))


def _password_page(request: Request, link: links.OpenedLink, token: str, *, error: str | None = None) -> Response:
    return page(
        request,
        "password.html",
        status=422 if error else 200,
        purpose=link.purpose,
        email=link.email,
        token=token,
        error=error,
        enters=not link.has_second_factor,
    )


async def _limit_links(request: Request) -> None:
    auth = auth_state(request)
    await auth.throttle.attempt([auth.throttle.bucket(LINK, Origin.of(request).peer)])


def _sign_in_page(request: Request, *, status: int = 200, email: str = "", error: str | None = None, said: str | None = None) -> Response:
    return page(request, "sign_in.html", status=status, email=email, error=error, said=said, can_mail=can_mail(request))

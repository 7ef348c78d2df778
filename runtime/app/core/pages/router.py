"""The pages and their forms."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import invitations, service
from app.core.auth.dependencies import asked_clinic, get_claims
from app.core.auth.errors import NotSignedIn, PasswordTooWeak, SessionEnded, TooManyAttempts, WrongCredentials
from app.core.auth.identity import Identity, identify
from app.core.auth.service import OpenSession
from app.core.auth.state import auth_state, peer_of
from app.database import get_db

from .forms import read_form
from .overview import overview
from .render import STYLESHEET, page, stylesheet

router = APIRouter(include_in_schema=False, default_response_class=Response)
Db = Annotated[AsyncSession, Depends(get_db)]


@router.get(STYLESHEET)
async def get_stylesheet() -> Response:
    return stylesheet()


@router.get("/")
async def home(request: Request, db: Db, asked: Annotated[UUID | None, Depends(asked_clinic)]) -> Response:
    """The clinic at a glance, or the sign-in page."""
    identity = await _signed_in(request, db)
    if identity is None:
        return _see("/sign-in")
    return page(request, "home.html", view=overview(identity, asked, request.app.state.registry))


@router.get("/sign-in")
async def sign_in_page(request: Request, signed_out: bool = False) -> Response:
    return page(request, "sign_in.html", email="", error=None, signed_out=signed_out)


@router.post("/sign-in")
async def sign_in(request: Request, db: Db) -> Response:
    form = await read_form(request)
    email = form.get("email", "")
    try:
        opened = await service.sign_in(db, auth_state(request), email=email, password=form.get("password", ""), peer=peer_of(request))
    except (WrongCredentials, TooManyAttempts) as error:
        return page(request, "sign_in.html", status=error.status, email=email, error=error.code, signed_out=False)
    return _enter(request, opened)


@router.post("/sign-out")
async def sign_out(request: Request, db: Db) -> Response:
    await read_form(request)
    response = _see("/sign-in?signed_out=1")
    identity = await _signed_in(request, db)
    if identity is not None:
        await service.end_session(db, identity.session_id)
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
    return _enter(request, await service.open_session(db, opened.user_id))


async def _signed_in(request: Request, db: AsyncSession) -> Identity | None:
    try:
        return await identify(db, await get_claims(request))
    except (NotSignedIn, SessionEnded):
        return None


def _enter(request: Request, opened: OpenSession) -> Response:
    response = _see("/")
    auth = auth_state(request)
    auth.set_cookie(response, auth.tokens.issue(opened.claims, "page"))
    return response


def _see(path: str) -> RedirectResponse:
    return RedirectResponse(path, status_code=303)

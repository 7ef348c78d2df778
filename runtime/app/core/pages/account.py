"""`/account`: one's own password, second factor and sessions, as forms."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import second_factor, service, sessions, trail
from app.core.auth.errors import (
    PasswordTooWeak,
    PasswordWrong,
    SecondFactorUnreadable,
    SecondFactorWrong,
    TooManyAttempts,
)
from app.core.auth.identity import Identity
from app.core.auth.state import auth_state
from app.core.auth.trail import Origin
from app.core.errors import DomainError
from app.database import get_db

from .forms import FormRefused, read_form
from .programs import program_of
from .render import page
from .visitor import see, signed_in

router = APIRouter(prefix="/account", include_in_schema=False, default_response_class=Response)
Db = Annotated[AsyncSession, Depends(get_db)]


@router.get("")
async def account(request: Request, db: Db, done: str = "") -> Response:
    me = await signed_in(request, db)
    if me is None:
        return see("/sign-in")
    return await _account(request, db, me, done=done if done in ("password_changed", "signed_out_elsewhere", "factor_removed") else None)


@router.post("/password")
async def change_password(request: Request, db: Db) -> Response:
    form = await read_form(request)
    me = await signed_in(request, db)
    if me is None:
        return see("/sign-in")
    new = form.get("password", "")
    if new != form.get("password_again"):
        return await _account(request, db, me, error="password_mismatch", status=422)
    try:
        await service.change_password(
            db,
            auth_state(request),
            me.user.id,
            email=me.user.email,
            current=form.get("current", ""),
            new=new,
            origin=Origin.of(request),
            session_id=me.session_id,
        )
    except PasswordTooWeak as error:
        return await _account(request, db, me, error="password_weak", status=error.status)
    except (PasswordWrong, TooManyAttempts) as error:
        return await _account(request, db, me, error=error.code, status=error.status)
    return see("/account?done=password_changed")


@router.post("/second-factor")
async def begin_second_factor(request: Request, db: Db) -> Response:
    """The secret, for whoever shows the password."""
    form = await read_form(request)
    me = await signed_in(request, db)
    if me is None:
        return see("/sign-in")
    try:
        await service.prove_password(auth_state(request), me.user.id, form.get("password", ""))
        enrolment = await second_factor.begin(db, auth_state(request), me.user.id, me.user.email)
    except DomainError as error:
        return await _account(request, db, me, error=error.code, status=error.status)
    return page(request, "enrol.html", secret=_in_fours(enrolment.secret), uri=enrolment.uri, error=None)


@router.post("/second-factor/confirm")
async def confirm_second_factor(request: Request, db: Db) -> Response:
    """Recovery codes, for whoever shows a code of the app."""
    form = await read_form(request)
    me = await signed_in(request, db)
    if me is None:
        return see("/sign-in")
    # Shown again after a mistyped code; the form brought them along.
    secret, uri = form.get("secret", "")[:80], form.get("uri", "")[:400]
    if not uri.startswith("otpauth://totp/"):
        raise FormRefused
    try:
        codes = await second_factor.confirm(
            db, auth_state(request), me.user.id, form.get("code", "")[:40], origin=Origin.of(request), session_id=me.session_id
        )
    except (SecondFactorWrong, TooManyAttempts) as error:
        return page(request, "enrol.html", status=error.status, secret=secret, uri=uri, error=error.code)
    except DomainError as error:
        return await _account(request, db, me, error=error.code, status=error.status)
    return page(request, "recovery_codes.html", codes=codes)


@router.post("/second-factor/remove")
async def remove_second_factor(request: Request, db: Db) -> Response:
    form = await read_form(request)
    me = await signed_in(request, db)
    if me is None:
        return see("/sign-in")
    try:
        await second_factor.remove(db, auth_state(request), me.user.id, form.get("code", "")[:40], origin=Origin.of(request))
    except (SecondFactorWrong, SecondFactorUnreadable, TooManyAttempts) as error:
        return await _account(request, db, me, error=error.code, status=error.status)
    return see("/account?done=factor_removed")


@router.post("/sessions")
async def end_other_sessions(request: Request, db: Db) -> Response:
    await read_form(request)
    me = await signed_in(request, db)
    if me is None:
        return see("/sign-in")
    await sessions.end_all(db, me.user.id, but=me.session_id)
    await trail.record(db, request, "session_revoked", user_id=me.user.id, actor_id=me.user.id, session_id="others")
    return see("/account?done=signed_out_elsewhere")


async def _account(
    request: Request, db: AsyncSession, me: Identity, *, error: str | None = None, done: str | None = None, status: int = 200
) -> Response:
    return page(
        request,
        "account.html",
        status=status,
        user=me.user,
        asked_for=any(each.clinic.second_factor_required for each in me.memberships),
        sessions=await sessions.live_sessions(db, me.user.id),
        current=me.session_id,
        program_of=program_of,
        error=error,
        done=done,
    )


def _in_fours(secret: str) -> str:
    return " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))

"""`/api/v1/auth`, one's own account: password, second factor, sessions, trail. No clinic is needed for any of it."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.schemas import ApiResponse, ErrorResponse, PaginatedApiResponse
from app.database import get_db

from . import links, resets, second_factor, service, sessions, trail
from .account_schemas import (
    Code,
    EnrolmentOut,
    EntryOut,
    PasswordChange,
    PasswordForgotten,
    PasswordProof,
    PasswordReset,
    RecoveryCodesOut,
    SecondFactorOut,
    SessionOut,
)
from .dependencies import get_identity
from .errors import CrossOrigin
from .identity import Identity
from .state import auth_state, from_elsewhere
from .throttle import LINK
from .trail import Origin

router = APIRouter(prefix="/auth", tags=["auth"])

_LIMITED: dict[int | str, dict[str, Any]] = {
    429: {"model": ErrorResponse, "description": "Too many attempts; `Retry-After` says how long to wait."}
}
_GONE: dict[int | str, dict[str, Any]] = {410: {"model": ErrorResponse, "description": "The link has expired, was used or replaced."}}

Me = Annotated[Identity, Depends(get_identity)]
Db = Annotated[AsyncSession, Depends(get_db)]


@router.post("/password", response_model=ApiResponse[None], responses=_LIMITED)
async def change_password(given: PasswordChange, me: Me, db: Db, request: Request) -> ApiResponse[None]:
    """Set a new password; every other session of yours ends."""
    await service.change_password(
        db,
        auth_state(request),
        me.user.id,
        email=me.user.email,
        current=given.current.get_secret_value(),
        new=given.new.get_secret_value(),
        origin=Origin.of(request),
        session_id=me.session_id,
    )
    return ApiResponse(data=None, message="The password is changed. You are signed out everywhere else.")


@router.post("/password/forgot", response_model=ApiResponse[None], status_code=202)
async def forgot_password(given: PasswordForgotten, request: Request) -> ApiResponse[None]:
    """Mail a link to set a new password. The answer is the same whether there is such an account or not."""
    if from_elsewhere(request):
        raise CrossOrigin
    await resets.ask(request, given.email)
    return ApiResponse(data=None, message="If there is an account with this address, a link is on its way to it.")


@router.post("/password/reset", response_model=ApiResponse[None], responses=_GONE)
async def reset_password(given: PasswordReset, db: Db, request: Request) -> ApiResponse[None]:
    """Use a link: the `token` in its address. Every session of the person ends; sign in with the new password."""
    auth, origin = auth_state(request), Origin.of(request)
    await auth.throttle.attempt([auth.throttle.bucket(LINK, origin.peer)])
    link = await links.open_link(db, given.token.get_secret_value())
    await links.use(db, auth, link, given.password.get_secret_value(), origin=origin)
    return ApiResponse(data=None, message="The password is set. Sign in with it.")


@router.get("/second-factor", response_model=ApiResponse[SecondFactorOut])
async def get_second_factor(me: Me, db: Db) -> ApiResponse[SecondFactorOut]:
    left = await second_factor.recovery_codes_left(db, me.user.id)
    return ApiResponse(data=SecondFactorOut(in_force=me.user.has_second_factor, recovery_codes_left=left))


@router.post("/second-factor", response_model=ApiResponse[EnrolmentOut], status_code=201, responses=_LIMITED)
async def begin_second_factor(given: PasswordProof, me: Me, db: Db, request: Request) -> ApiResponse[EnrolmentOut]:
    """A secret for an authenticator app; it is in force once a code of it was confirmed."""
    auth = auth_state(request)
    await service.prove_password(auth, me.user.id, given.password.get_secret_value())
    enrolment = await second_factor.begin(db, auth, me.user.id, me.user.email)
    return ApiResponse(data=EnrolmentOut.model_validate(enrolment))


@router.post("/second-factor/confirm", response_model=ApiResponse[RecoveryCodesOut], responses=_LIMITED)
async def confirm_second_factor(given: Code, me: Me, db: Db, request: Request) -> ApiResponse[RecoveryCodesOut]:
    """Show a code of the app: from now on every sign-in asks for one. Your other sessions end."""
    codes = await second_factor.confirm(
        db, auth_state(request), me.user.id, given.code.get_secret_value(), origin=Origin.of(request), session_id=me.session_id
    )
    return ApiResponse(data=RecoveryCodesOut(recovery_codes=codes))


@router.post("/second-factor/recovery-codes", response_model=ApiResponse[RecoveryCodesOut], responses=_LIMITED)
async def renew_recovery_codes(given: Code, me: Me, db: Db, request: Request) -> ApiResponse[RecoveryCodesOut]:
    """New recovery codes for a code of the app (or a recovery code); the old ones stop working."""
    codes = await second_factor.renew_recovery_codes(
        db, auth_state(request), me.user.id, given.code.get_secret_value(), origin=Origin.of(request)
    )
    return ApiResponse(data=RecoveryCodesOut(recovery_codes=codes))


@router.post("/second-factor/remove", response_model=ApiResponse[None], responses=_LIMITED)
async def remove_second_factor(given: Code, me: Me, db: Db, request: Request) -> ApiResponse[None]:
    """Sign in with the password alone again. A clinic that asks for a second factor will ask for a new one."""
    await second_factor.remove(db, auth_state(request), me.user.id, given.code.get_secret_value(), origin=Origin.of(request))
    return ApiResponse(data=None, message="The second factor is removed.")


@router.get("/sessions", response_model=ApiResponse[list[SessionOut]])
async def list_sessions(me: Me, db: Db) -> ApiResponse[list[SessionOut]]:
    """Where you are signed in."""
    found = [SessionOut.model_validate(each) for each in await sessions.live_sessions(db, me.user.id)]
    return ApiResponse(data=[each.model_copy(update={"current": each.id == me.session_id}) for each in found])


@router.delete("/sessions", response_model=ApiResponse[None])
async def end_other_sessions(me: Me, db: Db, request: Request) -> ApiResponse[None]:
    """Sign out everywhere else, at once."""
    await sessions.end_all(db, me.user.id, but=me.session_id)
    await trail.record(db, request, "session_revoked", user_id=me.user.id, actor_id=me.user.id, session_id="others")
    return ApiResponse(data=None, message="You are signed out everywhere else.")


@router.delete("/sessions/{session_id}", response_model=ApiResponse[None])
async def end_session(session_id: UUID, me: Me, db: Db, request: Request) -> ApiResponse[None]:
    """End one session of yours everywhere, at once."""
    await sessions.end_own(db, me.user.id, session_id)
    await trail.record(db, request, "session_revoked", user_id=me.user.id, actor_id=me.user.id, session_id=str(session_id))
    return ApiResponse(data=None, message="The session has ended.")


@router.get("/trail", response_model=PaginatedApiResponse[EntryOut])
async def own_trail(
    me: Me,
    db: Db,
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
    page_size: Annotated[int, Query(ge=1, le=100)] = 20,
) -> PaginatedApiResponse[EntryOut]:
    """Your sign-ins and what happened to your account, newest first."""
    rows, total = await trail.page_of(db, trail.of_person(me.user.id), page=page, page_size=page_size)
    return PaginatedApiResponse(data=[EntryOut.of(*row) for row in rows], total=total, page=page, page_size=page_size)

"""`/api/v1/auth`: sign in, renew, sign out, who am I. One's own account is in `account_router`."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.schemas import ApiResponse
from app.database import get_db

from . import service, sessions, trail
from .dependencies import asked_clinic, get_claims, get_identity
from .errors import CrossOrigin
from .identity import Identity
from .schemas import Credentials, Me, RefreshRequest, SecondStep, Tokens
from .sessions import OpenSession
from .state import auth_state, from_elsewhere
from .tokens import Claims
from .trail import Origin

router = APIRouter(prefix="/auth", tags=["auth"])


@router.post("/login", response_model=ApiResponse[Tokens])
async def login(
    credentials: Credentials, request: Request, response: Response, db: Annotated[AsyncSession, Depends(get_db)]
) -> ApiResponse[Tokens]:
    """Open a session; 401 `second_factor_needed` where a code is still to come. The same session is set as a cookie, for the pages."""
    if from_elsewhere(request):
        raise CrossOrigin
    opened = await service.sign_in(
        db,
        auth_state(request),
        email=credentials.email,
        password=credentials.password.get_secret_value(),
        origin=Origin.of(request),
        clinic_id=credentials.clinic_id,
    )
    auth_state(request).set_cookie(response, auth_state(request).tokens.issue(opened.claims, "page"))
    return _tokens(request, opened)


@router.post("/login/second-factor", response_model=ApiResponse[Tokens])
async def second_step(
    given: SecondStep, request: Request, response: Response, db: Annotated[AsyncSession, Depends(get_db)]
) -> ApiResponse[Tokens]:
    """The second step of signing in: what the first answered as `pending`, and a code of the app or a recovery code."""
    if from_elsewhere(request):
        raise CrossOrigin
    auth = auth_state(request)
    opened = await service.complete_sign_in(
        db, auth, pending=given.pending.get_secret_value(), code=given.code.get_secret_value(), origin=Origin.of(request)
    )
    auth.set_cookie(response, auth.tokens.issue(opened.claims, "page"))
    return _tokens(request, opened)


@router.post("/refresh", response_model=ApiResponse[Tokens])
async def refresh(body: RefreshRequest, request: Request, db: Annotated[AsyncSession, Depends(get_db)]) -> ApiResponse[Tokens]:
    """Exchange a refresh token for a new pair; each refresh token works once."""
    return _tokens(request, await sessions.renew(db, body.refresh_token.get_secret_value(), Origin.of(request), body.clinic_id))


@router.post("/logout", response_model=ApiResponse[None])
async def logout(
    request: Request, response: Response, claims: Annotated[Claims, Depends(get_claims)], db: Annotated[AsyncSession, Depends(get_db)]
) -> ApiResponse[None]:
    """End this session everywhere, at once."""
    await sessions.end_session(db, claims.session_id)
    await trail.record(db, request, "signed_out", user_id=claims.user_id, session_id=str(claims.session_id))
    auth_state(request).clear_cookie(response)
    return ApiResponse(data=None, message="Signed out.")


@router.get("/me", response_model=ApiResponse[Me])
async def me(
    request: Request,
    identity: Annotated[Identity, Depends(get_identity)],
    asked: Annotated[UUID | None, Depends(asked_clinic)],
) -> ApiResponse[Me]:
    return ApiResponse(data=Me.of(identity, asked, request.app.state.registry))


def _tokens(request: Request, opened: OpenSession) -> ApiResponse[Tokens]:
    token, seconds = sessions.access_token(auth_state(request), opened)
    return ApiResponse(data=Tokens(access_token=token, refresh_token=opened.refresh_token, expires_in=seconds))

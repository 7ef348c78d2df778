"""`/api/v1/auth/tokens`: people's personal access tokens in a clinic. Made in a signed-in session, never with such a token."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth.dependencies import ClinicContext, get_clinic_context, require_permission
from app.core.schemas import ApiResponse
from app.database import get_db

from . import tokens
from .principals import USE
from .schemas import NewToken, TokenOut, TokenRequest

router = APIRouter(prefix="/auth/tokens", tags=["auth"])

Db = Annotated[AsyncSession, Depends(get_db)]
Clinic = Annotated[ClinicContext, Depends(get_clinic_context)]
MayUse = Annotated[None, Depends(require_permission(USE))]
EVERYBODYS = "agents.write"


@router.get("", summary="One's usable tokens in this clinic; with agents.write and `everybody`, all people's")
async def list_tokens(ctx: Clinic, _: MayUse, db: Db, everybody: bool = False) -> ApiResponse[list[TokenOut]]:
    all_of_them = everybody and EVERYBODYS in ctx.permissions
    rows = await tokens.listed(db, ctx.clinic_id, user_id=None if all_of_them else ctx.user_id)
    return ApiResponse(data=[TokenOut.of(row) for row in rows])


@router.post("", status_code=201, summary="Make a token for an assistant; its text is shown this once")
async def make_token(asked: TokenRequest, ctx: Clinic, _: MayUse, db: Db, request: Request) -> ApiResponse[NewToken]:
    row, text = await tokens.make(
        db,
        ctx.clinic_id,
        ctx.user_id,
        name=asked.name,
        scopes=asked.scopes,
        days=asked.days,
        held=ctx.permissions,
        registry=request.app.state.registry,
    )
    return ApiResponse(data=NewToken(**TokenOut.of(row).model_dump(), token=text), message="Copy the token now; it is not shown again.")


@router.delete("/{token_id}", summary="Revoke a token of one's own; with agents.write, anybody's in this clinic")
async def revoke_token(token_id: UUID, ctx: Clinic, _: MayUse, db: Db) -> ApiResponse[None]:
    await tokens.revoke(db, ctx.clinic_id, token_id, user_id=None if EVERYBODYS in ctx.permissions else ctx.user_id)
    return ApiResponse(data=None, message="Revoked; its next call is refused.")

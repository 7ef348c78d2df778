"""What the platform asks of accounts, on the control channel and with its own token."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.schemas import ApiResponse
from app.database import get_db
from dentalpin_kit.tokens import Token

from . import invitations
from .errors import NotSignedIn

router = APIRouter(tags=["platform"], include_in_schema=False)


class InvitationIn(BaseModel):
    email: str = Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")
    serial: int | str = Field(union_mode="left_to_right")


class InvitationOut(BaseModel):
    email: str
    serial: int | str


async def for_inviting(request: Request, db: Annotated[AsyncSession, Depends(get_db)]) -> Token:
    """Let the platform in, with a token made for this. Raises NotSignedIn, NoPlatform, TokenRefused."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise NotSignedIn
    return await invitations.verify_platform_token(db, token.strip(), "invite")


@router.post("/-/invitation", response_model=ApiResponse[InvitationOut])
async def register_invitation(
    given: InvitationIn, token: Annotated[Token, Depends(for_inviting)], db: Annotated[AsyncSession, Depends(get_db)]
) -> ApiResponse[InvitationOut]:
    """Make the link with this serial the only one that opens; 409 once the owner has a password."""
    await invitations.burn(db, token.jti, token.expires_at)
    await invitations.register(db, email=given.email, serial=str(given.serial))
    return ApiResponse(data=InvitationOut(email=given.email.lower(), serial=given.serial))

"""What the platform asks about support access, on the control channel and with its own token."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import clock
from app.core.auth.errors import NotSignedIn
from app.core.auth.invitations import verify_platform_token
from app.core.schemas import ApiResponse
from app.database import get_db

from . import service
from .schemas import AccessForPlatform, AskedIn

router = APIRouter(prefix="/-/support", tags=["platform"], include_in_schema=False)
Db = Annotated[AsyncSession, Depends(get_db)]


async def for_support(request: Request, db: Db) -> None:
    """Let the platform in, with a token made for this. Raises NotSignedIn, NoPlatform, TokenRefused."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise NotSignedIn
    await verify_platform_token(db, token.strip(), "support")


FromPlatform = Annotated[None, Depends(for_support)]


@router.put("/{access_id}", response_model=ApiResponse[AccessForPlatform])
async def ask(access_id: UUID, _: FromPlatform, given: AskedIn, db: Db) -> ApiResponse[AccessForPlatform]:
    """Put a request before the clinic; the same again changes nothing and answers where it stands."""
    await service.receive(db, given.asked(access_id), at=clock.now())
    return await _told(db, access_id)


@router.get("/{access_id}", response_model=ApiResponse[AccessForPlatform])
async def state(access_id: UUID, _: FromPlatform, db: Db) -> ApiResponse[AccessForPlatform]:
    return await _told(db, access_id)


@router.delete("/{access_id}", response_model=ApiResponse[AccessForPlatform])
async def take_back(access_id: UUID, _: FromPlatform, db: Db) -> ApiResponse[AccessForPlatform]:
    """Take a request back, or end an access at once; over already → where it stands."""
    await service.take_back(db, access_id, at=clock.now())
    return await _told(db, access_id)


async def _told(db: AsyncSession, access_id: UUID) -> ApiResponse[AccessForPlatform]:
    return ApiResponse(data=AccessForPlatform.of(await service.listed(db, access_id, at=clock.now())))

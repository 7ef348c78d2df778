"""The platform's question before it restarts a tenant, on the control channel and with its own token."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import clock
from app.core.auth.errors import NotSignedIn
from app.core.auth.invitations import verify_platform_token
from app.core.occupancy import service
from app.core.schemas import ApiResponse
from app.database import get_db

router = APIRouter(tags=["platform"], include_in_schema=False)
Session = Annotated[AsyncSession, Depends(get_db)]


class SlotOut(BaseModel):
    start: datetime
    end: datetime


class IdleSlots(BaseModel):
    now: datetime
    slots: list[SlotOut]
    failed: list[str]
    """Modules that could not say when they are busy."""


async def for_planning(request: Request, db: Session) -> None:
    """Let the platform in, with a token made for this. Raises NotSignedIn, NoPlatform, TokenRefused."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise NotSignedIn
    await verify_platform_token(db, token.strip(), "idle-slots")


@router.get("/api/v1/-/idle-slots")
async def idle_slots(
    request: Request,
    _: Annotated[None, Depends(for_planning)],
    db: Session,
    minutes: Annotated[int, Query(ge=1, le=720)] = 15,
    hours: Annotated[int, Query(ge=1, le=336)] = 168,
) -> ApiResponse[IdleSlots]:
    """Times of at least `minutes` within the next `hours` in which no clinic of this tenant has a patient."""
    answer = await service.idle_slots(
        db, request.app.state.registry, now=clock.now(), least=timedelta(minutes=minutes), ahead=timedelta(hours=hours)
    )
    slots = [SlotOut(start=slot.start, end=slot.end) for slot in answer.slots]
    return ApiResponse(data=IdleSlots(now=answer.now, slots=slots, failed=list(answer.failed)))

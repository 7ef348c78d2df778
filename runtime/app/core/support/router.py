"""`/api/v1/support`: the clinic sees who of the platform asks to look in, answers, and ends it; and the door a support person comes in by.

Letting somebody in concerns every clinic of the tenant, so it takes the permission in all of them; saying no and ending it, in one.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import clock
from app.core.auth import trail
from app.core.auth.dependencies import ClinicContext, get_clinic_context, require_permission
from app.core.auth.invitations import verify_platform_token
from app.core.auth.state import auth_state
from app.core.auth.throttle import LINK
from app.core.auth.trail import Origin
from app.core.plugins.who import needed_in_every_clinic
from app.core.schemas import ApiResponse, PaginatedApiResponse
from app.database import get_db

from . import service, sessions
from .schemas import AnswerIn, PassIn, SupportAccessOut, SupportReadOut, SupportSessionOut

router = APIRouter(prefix="/support", tags=["support"])

WRITE = "admin.support.write"
Db = Annotated[AsyncSession, Depends(get_db)]
Clinic = Annotated[ClinicContext, Depends(get_clinic_context)]
MayRead = Annotated[None, Depends(require_permission("admin.support.read"))]
MayEnd = Annotated[None, Depends(require_permission(WRITE))]
MayLetIn = Annotated[ClinicContext, Depends(needed_in_every_clinic(WRITE))]
Page = Annotated[int, Query(ge=1, le=10_000)]
PageSize = Annotated[int, Query(ge=1, le=100)]


@router.get("", response_model=PaginatedApiResponse[SupportAccessOut])
async def list_accesses(_: MayRead, db: Db, page: Page = 1, page_size: PageSize = 20) -> PaginatedApiResponse[SupportAccessOut]:
    """Every request of the platform's support and what became of it, the newest first."""
    listed, total = await service.page_of(db, page=page, page_size=page_size, at=clock.now())
    return PaginatedApiResponse(data=[SupportAccessOut.of(each) for each in listed], total=total, page=page, page_size=page_size)


@router.get("/{access_id}", response_model=ApiResponse[SupportAccessOut])
async def get_access(access_id: UUID, _: MayRead, db: Db) -> ApiResponse[SupportAccessOut]:
    return await _shown(db, access_id)


@router.get("/{access_id}/reads", response_model=PaginatedApiResponse[SupportReadOut])
async def list_reads(access_id: UUID, _: MayRead, db: Db, page: Page = 1, page_size: PageSize = 20) -> PaginatedApiResponse[SupportReadOut]:
    """What support looked at, in order: every request it sent, also those that were refused."""
    await service.get(db, access_id, at=clock.now())
    reads, total = await service.reads_of(db, access_id, page=page, page_size=page_size)
    return PaginatedApiResponse(data=[SupportReadOut.model_validate(each) for each in reads], total=total, page=page, page_size=page_size)


@router.post("/{access_id}/accept", response_model=ApiResponse[SupportAccessOut])
async def accept(access_id: UUID, given: AnswerIn, context: MayLetIn, db: Db, request: Request) -> ApiResponse[SupportAccessOut]:
    """Let the person look, masked and without changing anything, for the minutes they asked for; an hour at most."""
    await service.accept(db, access_id, by=context.user_id, origin=Origin.of(request), at=clock.now(), note=given.note)
    return await _shown(db, access_id)


@router.post("/{access_id}/decline", response_model=ApiResponse[SupportAccessOut])
async def decline(access_id: UUID, given: AnswerIn, context: Clinic, _: MayEnd, db: Db, request: Request) -> ApiResponse[SupportAccessOut]:
    await service.decline(db, access_id, by=context.user_id, origin=Origin.of(request), at=clock.now(), note=given.note)
    return await _shown(db, access_id)


@router.post("/{access_id}/revoke", response_model=ApiResponse[SupportAccessOut])
async def revoke(access_id: UUID, context: Clinic, _: MayEnd, db: Db, request: Request) -> ApiResponse[SupportAccessOut]:
    """End it at once: the next request of the support person is refused."""
    await service.revoke(db, access_id, by=context.user_id, origin=Origin.of(request), at=clock.now())
    return await _shown(db, access_id)


@router.post("/session", status_code=201, response_model=ApiResponse[SupportSessionOut])
async def begin_session(given: PassIn, db: Db, request: Request) -> ApiResponse[SupportSessionOut]:
    """Come in with a pass of the platform; it works once, and only while the clinic's consent is in force."""
    auth = auth_state(request)
    await auth.throttle.attempt([auth.throttle.bucket(LINK, Origin.of(request).peer)])
    allowed = await verify_platform_token(db, given.support_pass, "support-pass")
    access, token = await sessions.begin(db, allowed, at=clock.now())
    assert access.ends_at is not None
    await trail.record(db, request, "support_opened", user_id=access.decided_by, access=str(access.id), operator=access.operator)
    return ApiResponse(data=SupportSessionOut(token=token, ends_at=access.ends_at))


async def _shown(db: AsyncSession, access_id: UUID) -> ApiResponse[SupportAccessOut]:
    return ApiResponse(data=SupportAccessOut.of(await service.listed(db, access_id, at=clock.now())))

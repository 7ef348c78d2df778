"""`/api/v1/jobs`: what modules do by themselves and when, how it went, and running it now.

A clinic's administrators see the jobs of their clinic and those of the whole tenant; the latter only its owner runs or pauses.
"""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth.dependencies import ClinicContext, get_clinic_context, require_permission
from app.core.schemas import ApiResponse
from app.database import get_db

from . import service
from .models import RunStatus
from .service import JobView, RunView, Scope

router = APIRouter(prefix="/jobs", tags=["jobs"])

Clinic = Annotated[ClinicContext, Depends(get_clinic_context)]
Db = Annotated[AsyncSession, Depends(get_db)]
MayRead = Annotated[None, Depends(require_permission("admin.jobs.read"))]
MayWrite = Annotated[None, Depends(require_permission("admin.jobs.write"))]


class JobOut(BaseModel):
    module: str
    job: str
    clinic_id: UUID | None
    name: str
    trigger: str
    next_run_at: datetime | None
    last_run_at: datetime | None
    failures: int
    """Failed runs in a row."""
    paused: bool
    last_status: RunStatus | None

    @classmethod
    def of(cls, view: JobView) -> Self:
        return cls.model_validate(view, from_attributes=True)


class RunOut(BaseModel):
    id: int
    clinic_id: UUID | None
    status: RunStatus
    attempt: int
    scheduled_for: datetime
    started_at: datetime
    finished_at: datetime | None
    requested_by: UUID | None
    error: str | None

    @classmethod
    def of(cls, view: RunView) -> Self:
        return cls.model_validate(view, from_attributes=True)


def _scope(ctx: ClinicContext) -> Scope:
    return Scope(ctx.clinic_id, may_change_shared=ctx.user.is_owner)


@router.get("", summary="The jobs of this clinic and of the tenant")
async def list_jobs(ctx: Clinic, _: MayRead, db: Db) -> ApiResponse[list[JobOut]]:
    return ApiResponse(data=[JobOut.of(each) for each in await service.overview(db, _scope(ctx))])


@router.get("/{module}/{job}/runs", summary="How a job went, the newest run first")
async def list_runs(
    module: str, job: str, ctx: Clinic, _: MayRead, db: Db, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> ApiResponse[list[RunOut]]:
    return ApiResponse(data=[RunOut.of(each) for each in await service.runs(db, _scope(ctx), module, job, limit=limit)])


@router.post("/{module}/{job}/run", status_code=202, summary="Run a job now")
async def run_now(module: str, job: str, ctx: Clinic, _: MayWrite, db: Db) -> ApiResponse[list[JobOut]]:
    found = await service.run_now(db, _scope(ctx), module, job, by=ctx.user_id)
    return ApiResponse(data=[JobOut.of(each) for each in found], message="It runs in a moment; its runs tell how it went.")


@router.post("/{module}/{job}/pause", summary="Leave a job out until it is resumed")
async def pause(module: str, job: str, ctx: Clinic, _: MayWrite, db: Db) -> ApiResponse[list[JobOut]]:
    return ApiResponse(data=[JobOut.of(each) for each in await service.pause(db, _scope(ctx), module, job, paused=True)])


@router.post("/{module}/{job}/resume", summary="Take a paused job up again")
async def resume(module: str, job: str, ctx: Clinic, _: MayWrite, db: Db) -> ApiResponse[list[JobOut]]:
    return ApiResponse(data=[JobOut.of(each) for each in await service.pause(db, _scope(ctx), module, job, paused=False)])

"""`/api/v1/clinics`: the clinics somebody works in, adding one, changing one."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import trail
from app.core.auth.dependencies import ClinicContext, get_clinic_context, get_identity, require_permission
from app.core.auth.identity import Identity
from app.core.limits.guard import refuse_clinic
from app.core.modes import refuse
from app.core.schemas import ApiResponse
from app.database import get_db

from . import service
from .errors import ClinicIsAnother
from .schemas import ClinicChange, ClinicCreate, ClinicResponse

router = APIRouter(prefix="/clinics", tags=["clinics"])


@router.get("", response_model=ApiResponse[list[ClinicResponse]])
async def list_clinics(identity: Annotated[Identity, Depends(get_identity)]) -> ApiResponse[list[ClinicResponse]]:
    """The clinics the caller works in; their ids are what X-Clinic-Id takes."""
    return ApiResponse(data=[ClinicResponse.of_membership(each) for each in identity.memberships])


@router.post("", response_model=ApiResponse[ClinicResponse], status_code=201)
async def create_clinic(
    given: ClinicCreate,
    request: Request,
    ctx: Annotated[ClinicContext, Depends(get_clinic_context)],
    _: Annotated[None, Depends(require_permission("admin.clinic.write"))],
    db: Annotated[AsyncSession, Depends(get_db)],
) -> ApiResponse[ClinicResponse]:
    """Add a clinic to this tenant; the caller becomes its administrator."""
    # Its modules' default rows are loaded with it.
    refuse("write", request.app.state.mode)
    await refuse_clinic(db, request.app.state.limits)
    clinic = await service.create_clinic(db, given, like=ctx.clinic, creator=ctx.user.id, seed=request.app.state.seed_clinic)
    await trail.record(db, request, "clinic_created", clinic_id=clinic.id, actor_id=ctx.user.id)
    return ApiResponse(data=ClinicResponse.of(clinic, service.FIRST_ROLE))


@router.patch("/{clinic_id}", response_model=ApiResponse[ClinicResponse])
async def change_clinic(
    clinic_id: UUID,
    given: ClinicChange,
    request: Request,
    ctx: Annotated[ClinicContext, Depends(get_clinic_context)],
    _: Annotated[None, Depends(require_permission("admin.clinic.write"))],
    db: Annotated[AsyncSession, Depends(get_db)],
) -> ApiResponse[ClinicResponse]:
    """Change the clinic the request is about: its facts, and whether everybody needs a second factor."""
    if clinic_id != ctx.clinic_id:
        raise ClinicIsAnother
    refuse("write", request.app.state.mode)
    clinic = await service.change_clinic(db, ctx.clinic, given)
    changed = sorted(given.model_dump(exclude_none=True))
    await trail.record(db, request, "clinic_changed", clinic_id=clinic_id, actor_id=ctx.user.id, fields=changed)
    return ApiResponse(data=ClinicResponse.of(clinic, ctx.role))

"""`/api/v1/patients`: thin, every route with a clinic and a permission."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth.dependencies import ClinicContext, get_clinic_context, require_permission
from app.core.schemas import ApiResponse, PaginatedApiResponse
from app.database import get_db

from .models import Patient
from .schemas import PatientCreate, PatientResponse, PatientUpdate, PatientWritten, PossibleDuplicate, Search, StatusFilter
from .service import PatientService

router = APIRouter()

Clinic = Annotated[ClinicContext, Depends(get_clinic_context)]
Db = Annotated[AsyncSession, Depends(get_db)]
MayRead = Annotated[None, Depends(require_permission("patients.read"))]
MayWrite = Annotated[None, Depends(require_permission("patients.write"))]


async def _written(db: AsyncSession, patient: Patient) -> PatientWritten:
    duplicates = await PatientService.find_duplicates(db, patient.clinic_id, patient, exclude=patient.id)
    return PatientWritten.model_validate(patient).model_copy(update={"possible_duplicates": duplicates})


@router.get("", response_model=PaginatedApiResponse[PatientResponse])
async def list_patients(
    ctx: Clinic,
    _: MayRead,
    db: Db,
    search: Annotated[Search | None, Query(description="Words of a name, an e-mail address, a phone number, a document")] = None,
    status: StatusFilter = StatusFilter.ACTIVE,
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
    page_size: Annotated[int, Query(ge=1, le=100)] = 20,
) -> PaginatedApiResponse[PatientResponse]:
    patients, total = await PatientService.list_patients(db, ctx.clinic_id, search=search, page=page, page_size=page_size, status=status)
    data = [PatientResponse.model_validate(patient) for patient in patients]
    return PaginatedApiResponse(data=data, total=total, page=page, page_size=page_size)


@router.post("", status_code=201, response_model=ApiResponse[PatientWritten])
async def create_patient(ctx: Clinic, _: MayWrite, db: Db, given: PatientCreate) -> ApiResponse[PatientWritten]:
    patient = await PatientService.create_patient(db, ctx.clinic_id, given)
    return ApiResponse(data=await _written(db, patient))


@router.post("/duplicates", response_model=ApiResponse[list[PossibleDuplicate]])
async def check_duplicates(ctx: Clinic, _: MayRead, db: Db, given: PatientCreate) -> ApiResponse[list[PossibleDuplicate]]:
    """Who on file may already be this person; writes nothing."""
    return ApiResponse(data=await PatientService.find_duplicates(db, ctx.clinic_id, given))


@router.get("/{patient_id}", response_model=ApiResponse[PatientResponse])
async def get_patient(ctx: Clinic, _: MayRead, db: Db, patient_id: UUID) -> ApiResponse[PatientResponse]:
    patient = await PatientService.get_patient(db, ctx.clinic_id, patient_id)
    return ApiResponse(data=PatientResponse.model_validate(patient))


@router.patch("/{patient_id}", response_model=ApiResponse[PatientWritten])
async def update_patient(ctx: Clinic, _: MayWrite, db: Db, patient_id: UUID, update: PatientUpdate) -> ApiResponse[PatientWritten]:
    patient = await PatientService.update_patient(db, ctx.clinic_id, patient_id, update)
    return ApiResponse(data=await _written(db, patient))


@router.post("/{patient_id}/archive", response_model=ApiResponse[PatientResponse])
async def archive_patient(ctx: Clinic, _: MayWrite, db: Db, patient_id: UUID) -> ApiResponse[PatientResponse]:
    patient = await PatientService.archive_patient(db, ctx.clinic_id, patient_id)
    return ApiResponse(data=PatientResponse.model_validate(patient))


@router.post("/{patient_id}/restore", response_model=ApiResponse[PatientResponse])
async def restore_patient(ctx: Clinic, _: MayWrite, db: Db, patient_id: UUID) -> ApiResponse[PatientResponse]:
    patient = await PatientService.restore_patient(db, ctx.clinic_id, patient_id)
    return ApiResponse(data=PatientResponse.model_validate(patient))

"""`/api/v1/agenda`: thin, every route with a clinic and a permission."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth.dependencies import ClinicContext, get_clinic_context, require_permission
from app.core.schemas import ApiResponse, PaginatedApiResponse
from app.database import get_db
from app.modules.patients.service import PatientService

from . import cabinets
from .models import Appointment
from .schemas import (
    AppointmentCreate,
    AppointmentResponse,
    AppointmentUpdate,
    CabinetChange,
    CabinetCreate,
    CabinetEventResponse,
    CabinetResponse,
    CabinetUpdate,
    CalendarResponse,
    Moment,
    StatusChange,
    TransitionResponse,
)
from .service import AgendaService, AppointmentFilter
from .states import AppointmentStatus, possible_targets

router = APIRouter()

Clinic = Annotated[ClinicContext, Depends(get_clinic_context)]
Db = Annotated[AsyncSession, Depends(get_db)]
MayReadAppointments = Annotated[None, Depends(require_permission("agenda.appointments.read"))]
MayWriteAppointments = Annotated[None, Depends(require_permission("agenda.appointments.write"))]
MayReadCabinets = Annotated[None, Depends(require_permission("agenda.cabinets.read"))]
MayWriteCabinets = Annotated[None, Depends(require_permission("agenda.cabinets.write"))]
Day = Annotated[date, Query(ge=date(1900, 1, 1), le=date(2200, 1, 1))]


async def _answer(db: AsyncSession, appointments: Sequence[Appointment], clinic_id: UUID) -> list[AppointmentResponse]:
    patients = await PatientService.get_patients(db, clinic_id, [appointment.patient_id for appointment in appointments])
    return [
        AppointmentResponse.model_validate(appointment).model_copy(
            update={
                "patient_name": patients[appointment.patient_id].full_name,
                "possible_statuses": possible_targets(AppointmentStatus(appointment.status)),
            }
        )
        for appointment in appointments
    ]


async def _answer_one(db: AsyncSession, appointment: Appointment) -> ApiResponse[AppointmentResponse]:
    [data] = await _answer(db, [appointment], appointment.clinic_id)
    return ApiResponse(data=data)


@router.get("/cabinets", response_model=ApiResponse[list[CabinetResponse]])
async def list_cabinets(ctx: Clinic, _: MayReadCabinets, db: Db, archived: bool = False) -> ApiResponse[list[CabinetResponse]]:
    found = await cabinets.list_cabinets(db, ctx.clinic_id, archived=archived)
    return ApiResponse(data=[CabinetResponse.model_validate(cabinet) for cabinet in found])


@router.post("/cabinets", status_code=201, response_model=ApiResponse[CabinetResponse])
async def create_cabinet(ctx: Clinic, _: MayWriteCabinets, db: Db, given: CabinetCreate) -> ApiResponse[CabinetResponse]:
    cabinet = await cabinets.create_cabinet(db, ctx.clinic_id, given)
    return ApiResponse(data=CabinetResponse.model_validate(cabinet))


@router.patch("/cabinets/{cabinet_id}", response_model=ApiResponse[CabinetResponse])
async def update_cabinet(ctx: Clinic, _: MayWriteCabinets, db: Db, cabinet_id: UUID, update: CabinetUpdate) -> ApiResponse[CabinetResponse]:
    cabinet = await cabinets.update_cabinet(db, ctx.clinic_id, cabinet_id, update)
    return ApiResponse(data=CabinetResponse.model_validate(cabinet))


@router.get("/calendar", response_model=ApiResponse[CalendarResponse])
async def get_calendar(
    ctx: Clinic,
    _: MayReadAppointments,
    __: MayReadCabinets,
    db: Db,
    from_date: Annotated[Day, Query(alias="from")],
    to_date: Annotated[Day, Query(alias="to")],
    professional_id: UUID | None = None,
    cabinet_id: UUID | None = None,
) -> ApiResponse[CalendarResponse]:
    """Whole days in the clinic's time zone, `to` included."""
    timezone = ctx.clinic.timezone
    period = await AgendaService.calendar_period(db, timezone, from_date, to_date)
    wanted = AppointmentFilter(professional_id=professional_id, cabinet_id=cabinet_id)
    appointments = await AgendaService.list_calendar(db, ctx.clinic_id, period, wanted)
    chairs = await cabinets.list_cabinets(db, ctx.clinic_id)
    return ApiResponse(
        data=CalendarResponse(
            timezone=timezone,
            from_date=from_date,
            to_date=to_date,
            starts_at=period.starts_at,
            ends_at=period.ends_at,
            cabinets=[CabinetResponse.model_validate(chair) for chair in chairs],
            appointments=await _answer(db, appointments, ctx.clinic_id),
        )
    )


@router.get("/appointments", response_model=PaginatedApiResponse[AppointmentResponse])
async def list_appointments(
    ctx: Clinic,
    _: MayReadAppointments,
    db: Db,
    patient_id: UUID | None = None,
    professional_id: UUID | None = None,
    cabinet_id: UUID | None = None,
    status: AppointmentStatus | None = None,
    starts_at: Annotated[Moment | None, Query(alias="from")] = None,
    ends_at: Annotated[Moment | None, Query(alias="to")] = None,
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
    page_size: Annotated[int, Query(ge=1, le=100)] = 20,
) -> PaginatedApiResponse[AppointmentResponse]:
    wanted = AppointmentFilter(patient_id, professional_id, cabinet_id, status, starts_at, ends_at)
    appointments, total = await AgendaService.list_appointments(db, ctx.clinic_id, wanted, page, page_size)
    data = await _answer(db, appointments, ctx.clinic_id)
    return PaginatedApiResponse(data=data, total=total, page=page, page_size=page_size)


@router.post("/appointments", status_code=201, response_model=ApiResponse[AppointmentResponse])
async def create_appointment(ctx: Clinic, _: MayWriteAppointments, db: Db, given: AppointmentCreate) -> ApiResponse[AppointmentResponse]:
    appointment = await AgendaService.create_appointment(db, ctx.clinic_id, given, ctx.user_id)
    return await _answer_one(db, appointment)


@router.get("/appointments/{appointment_id}", response_model=ApiResponse[AppointmentResponse])
async def get_appointment(ctx: Clinic, _: MayReadAppointments, db: Db, appointment_id: UUID) -> ApiResponse[AppointmentResponse]:
    return await _answer_one(db, await AgendaService.get_appointment(db, ctx.clinic_id, appointment_id))


@router.patch("/appointments/{appointment_id}", response_model=ApiResponse[AppointmentResponse])
async def update_appointment(
    ctx: Clinic, _: MayWriteAppointments, db: Db, appointment_id: UUID, update: AppointmentUpdate
) -> ApiResponse[AppointmentResponse]:
    return await _answer_one(db, await AgendaService.update_appointment(db, ctx.clinic_id, appointment_id, update))


@router.patch("/appointments/{appointment_id}/cabinet", response_model=ApiResponse[AppointmentResponse])
async def change_cabinet(
    ctx: Clinic, _: MayWriteAppointments, db: Db, appointment_id: UUID, change: CabinetChange
) -> ApiResponse[AppointmentResponse]:
    appointment = await AgendaService.change_cabinet(db, ctx.clinic_id, appointment_id, change.cabinet_id, actor=ctx.user_id)
    return await _answer_one(db, appointment)


@router.post("/appointments/{appointment_id}/transitions", response_model=ApiResponse[AppointmentResponse])
async def change_status(
    ctx: Clinic, _: MayWriteAppointments, db: Db, appointment_id: UUID, change: StatusChange
) -> ApiResponse[AppointmentResponse]:
    appointment = await AgendaService.change_status(
        db, ctx.clinic_id, appointment_id, change.to_status, actor=ctx.user_id, note=change.note
    )
    return await _answer_one(db, appointment)


@router.get("/appointments/{appointment_id}/transitions", response_model=ApiResponse[list[TransitionResponse]])
async def list_transitions(ctx: Clinic, _: MayReadAppointments, db: Db, appointment_id: UUID) -> ApiResponse[list[TransitionResponse]]:
    records = await AgendaService.list_transitions(db, ctx.clinic_id, appointment_id)
    return ApiResponse(data=[TransitionResponse.model_validate(record) for record in records])


@router.get("/appointments/{appointment_id}/cabinet-history", response_model=ApiResponse[list[CabinetEventResponse]])
async def list_cabinet_history(
    ctx: Clinic, _: MayReadAppointments, db: Db, appointment_id: UUID
) -> ApiResponse[list[CabinetEventResponse]]:
    records = await AgendaService.list_cabinet_history(db, ctx.clinic_id, appointment_id)
    return ApiResponse(data=[CabinetEventResponse.model_validate(record) for record in records])

"""What AI agents may do in the agenda: one tool per public action, with the permission of the route for the same action.

What cannot be taken back (an appointment that was completed, cancelled or missed) is DESTRUCTIVE: others act on it at once.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.core.agents import AgentContext, Tool, ToolCategory

from . import cabinets
from .models import Appointment
from .schemas import (
    AppointmentCreate,
    AppointmentResponse,
    AppointmentUpdate,
    CabinetChange,
    CabinetCreate,
    CabinetResponse,
    CabinetUpdate,
    Moment,
    Note,
    TransitionResponse,
)
from .service import AgendaService, AppointmentFilter
from .states import TERMINAL, AppointmentStatus

READ, WRITE = ["agenda.appointments.read"], ["agenda.appointments.write"]
READ_CABINETS, WRITE_CABINETS = ["agenda.cabinets.read"], ["agenda.cabinets.write"]
_ID = Field(description="The appointment's `id`.")


class _Args(BaseModel):
    model_config = ConfigDict(extra="forbid")


class UpcomingArgs(_Args):
    days: int = Field(default=7, ge=1, le=62, description="How many days ahead, from now on.")
    patient_id: UUID | None = None
    professional_id: UUID | None = None
    status: AppointmentStatus | None = None
    limit: int = Field(default=50, ge=1, le=100)
    page: int = Field(default=1, ge=1, le=100_000)


class PeriodArgs(_Args):
    starts_at: Moment = Field(description="With its offset, such as 2026-11-23T08:00:00+01:00.")
    ends_at: Moment
    patient_id: UUID | None = None
    professional_id: UUID | None = None
    cabinet_id: UUID | None = None
    limit: int = Field(default=100, ge=1, le=100)
    page: int = Field(default=1, ge=1, le=100_000)


class AppointmentArgs(_Args):
    appointment_id: UUID = _ID


class CabinetsArgs(_Args):
    archived: bool = Field(default=False, description="True lists the archived ones too.")


class UpdateAppointmentArgs(AppointmentUpdate):
    appointment_id: UUID = _ID


class ChangeCabinetArgs(CabinetChange):
    appointment_id: UUID = _ID


class UpdateCabinetArgs(CabinetUpdate):
    cabinet_id: UUID = Field(description="The `id` that list_cabinets answers.")


class _StatusArgs(_Args):
    appointment_id: UUID = _ID
    to_status: AppointmentStatus
    note: Note = ""


class ChangeStatusArgs(_StatusArgs):
    @model_validator(mode="after")
    def _goes_on(self) -> Self:
        if self.to_status in TERMINAL:
            raise ValueError(f"{self.to_status} is final: use end_appointment")
        return self


class EndAppointmentArgs(_StatusArgs):
    @model_validator(mode="after")
    def _is_final(self) -> Self:
        if self.to_status not in TERMINAL:
            raise ValueError(f"{self.to_status} is not final: use change_status")
        return self


def _shown(appointment: Appointment) -> AppointmentResponse:
    # Whose appointment it is says patient_id: names come from the patients module, with its own permission.
    return AppointmentResponse.model_validate(appointment)


async def _listed(ctx: AgentContext, wanted: AppointmentFilter, page: int, limit: int) -> dict[str, Any]:
    found, total = await AgendaService.list_appointments(ctx.db, ctx.clinic_id, wanted, page=page, page_size=limit)
    return {"total": total, "appointments": [_shown(appointment) for appointment in found]}


async def _list_upcoming(ctx: AgentContext, params: UpcomingArgs) -> dict[str, Any]:
    now = datetime.now(UTC)
    wanted = AppointmentFilter(
        patient_id=params.patient_id,
        professional_id=params.professional_id,
        status=params.status,
        starts_at=now,
        ends_at=now + timedelta(days=params.days),
    )
    return await _listed(ctx, wanted, params.page, params.limit)


async def _list_appointments(ctx: AgentContext, params: PeriodArgs) -> dict[str, Any]:
    wanted = AppointmentFilter(
        patient_id=params.patient_id,
        professional_id=params.professional_id,
        cabinet_id=params.cabinet_id,
        starts_at=params.starts_at,
        ends_at=params.ends_at,
    )
    return await _listed(ctx, wanted, params.page, params.limit)


async def _get_appointment(ctx: AgentContext, params: AppointmentArgs) -> dict[str, Any]:
    appointment = await AgendaService.get_appointment(ctx.db, ctx.clinic_id, params.appointment_id)
    history = await AgendaService.list_transitions(ctx.db, ctx.clinic_id, params.appointment_id)
    return {"appointment": _shown(appointment), "history": [TransitionResponse.model_validate(step) for step in history]}


async def _create_appointment(ctx: AgentContext, params: AppointmentCreate) -> AppointmentResponse:
    return _shown(await AgendaService.create_appointment(ctx.db, ctx.clinic_id, params, ctx.user_id))


async def _update_appointment(ctx: AgentContext, params: UpdateAppointmentArgs) -> AppointmentResponse:
    # Only what the call names is changed.
    update = AppointmentUpdate.model_validate(params.model_dump(exclude={"appointment_id"}, exclude_unset=True))
    return _shown(await AgendaService.update_appointment(ctx.db, ctx.clinic_id, params.appointment_id, update))


async def _change_cabinet(ctx: AgentContext, params: ChangeCabinetArgs) -> AppointmentResponse:
    return _shown(await AgendaService.change_cabinet(ctx.db, ctx.clinic_id, params.appointment_id, params.cabinet_id, actor=ctx.user_id))


async def _change_status(ctx: AgentContext, params: _StatusArgs) -> AppointmentResponse:
    return _shown(
        await AgendaService.change_status(
            ctx.db, ctx.clinic_id, params.appointment_id, params.to_status, actor=ctx.user_id, note=params.note
        )
    )


async def _list_cabinets(ctx: AgentContext, params: CabinetsArgs) -> dict[str, Any]:
    found = await cabinets.list_cabinets(ctx.db, ctx.clinic_id, archived=params.archived)
    return {"cabinets": [CabinetResponse.model_validate(cabinet) for cabinet in found]}


async def _create_cabinet(ctx: AgentContext, params: CabinetCreate) -> CabinetResponse:
    return CabinetResponse.model_validate(await cabinets.create_cabinet(ctx.db, ctx.clinic_id, params))


async def _update_cabinet(ctx: AgentContext, params: UpdateCabinetArgs) -> CabinetResponse:
    update = CabinetUpdate.model_validate(params.model_dump(exclude={"cabinet_id"}, exclude_unset=True))
    return CabinetResponse.model_validate(await cabinets.update_cabinet(ctx.db, ctx.clinic_id, params.cabinet_id, update))


TOOLS = (
    Tool(
        name="list_upcoming_appointments",
        description=(
            "List this clinic's appointments from now on for some days ahead, by start, with their status, patient, professional and "
            "cabinet as ids. Use patients.get_patient for a patient's name. Past appointments are not listed."
        ),
        parameters=UpcomingArgs,
        handler=_list_upcoming,
        permissions=READ,
        category=ToolCategory.READ,
        exposes_free_text=True,
    ),
    Tool(
        name="list_appointments",
        description="List the appointments that overlap a period, past or future, by start. Use it to find free time before booking.",
        parameters=PeriodArgs,
        handler=_list_appointments,
        permissions=READ,
        category=ToolCategory.READ,
        exposes_free_text=True,
    ),
    Tool(
        name="get_appointment",
        description="Read one appointment with the history of its status, and the `version` that update_appointment needs.",
        parameters=AppointmentArgs,
        handler=_get_appointment,
        permissions=READ,
        category=ToolCategory.READ,
        exposes_free_text=True,
    ),
    Tool(
        name="create_appointment",
        description=(
            "Book an appointment for a patient with a professional, with or without a cabinet. Times carry their offset. Refused if "
            "the professional or the cabinet is taken then; the refusal names what is in the way."
        ),
        parameters=AppointmentCreate,
        handler=_create_appointment,
        permissions=WRITE,
        category=ToolCategory.WRITE,
        exposes_free_text=True,
    ),
    Tool(
        name="update_appointment",
        description=(
            "Move an appointment, give it to another professional, or change its reason or notes. `version` is the one last read. "
            "The cabinet and the status have tools of their own."
        ),
        parameters=UpdateAppointmentArgs,
        handler=_update_appointment,
        permissions=WRITE,
        category=ToolCategory.WRITE,
        exposes_free_text=True,
    ),
    Tool(
        name="change_cabinet",
        description="Give an appointment a cabinet, another one, or with null none. Refused if the cabinet is taken at that time.",
        parameters=ChangeCabinetArgs,
        handler=_change_cabinet,
        permissions=WRITE,
        category=ToolCategory.WRITE,
        exposes_free_text=True,
    ),
    Tool(
        name="change_status",
        description=(
            "Take an appointment one step on: confirmed, checked_in or in_treatment. Does not complete or cancel it: see end_appointment."
        ),
        parameters=ChangeStatusArgs,
        handler=_change_status,
        permissions=WRITE,
        category=ToolCategory.WRITE,
        exposes_free_text=True,
    ),
    Tool(
        name="end_appointment",
        description=(
            "End an appointment for good: completed (from in_treatment), cancelled, or no_show. This cannot be taken back, and other "
            "parts of the clinic's system act on it at once."
        ),
        parameters=EndAppointmentArgs,
        handler=_change_status,
        permissions=WRITE,
        category=ToolCategory.DESTRUCTIVE,
        exposes_free_text=True,
    ),
    Tool(
        name="list_cabinets",
        description="List this clinic's cabinets (treatment rooms) in its own order, with the ids that bookings need.",
        parameters=CabinetsArgs,
        handler=_list_cabinets,
        permissions=READ_CABINETS,
        category=ToolCategory.READ,
    ),
    Tool(
        name="create_cabinet",
        description="Add a cabinet (treatment room) to this clinic. Its name must not be in use.",
        parameters=CabinetCreate,
        handler=_create_cabinet,
        permissions=WRITE_CABINETS,
        category=ToolCategory.WRITE,
    ),
    Tool(
        name="update_cabinet",
        description="Rename or reorder a cabinet, or archive it and bring it back. Its appointments stay as they are.",
        parameters=UpdateCabinetArgs,
        handler=_update_cabinet,
        permissions=WRITE_CABINETS,
        category=ToolCategory.WRITE,
    ),
)

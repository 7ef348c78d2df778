"""Appointments of invented patients for a demonstration clinic: what was, with how it went, and what is coming."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final

from app.core.demos import DemoClinic
from app.core.plugins import ModuleContext
from app.modules.patients.service import PatientService

from . import cabinets
from .schemas import AppointmentCreate
from .service import AgendaService
from .states import AppointmentStatus

DAYS: Final = 5
"""Working days on either side of today."""
HOURS: Final = (9, 10, 11, 16)
LASTS: Final = timedelta(minutes=30)
_REASONS: Final = {
    "es": ("Revisión anual", "Limpieza", "Dolor en molar", "Primera visita", "Empaste", "Control de ortodoncia", "Endodoncia"),
    "en": ("Check-up", "Cleaning", "Molar pain", "First visit", "Filling", "Braces check", "Root canal"),
}
_S = AppointmentStatus
_WENT: Final = (
    (_S.CHECKED_IN, _S.IN_TREATMENT, _S.COMPLETED),
    (_S.CONFIRMED, _S.CHECKED_IN, _S.IN_TREATMENT, _S.COMPLETED),
    (_S.CONFIRMED, _S.NO_SHOW),
    (_S.CHECKED_IN, _S.IN_TREATMENT, _S.COMPLETED),
    (_S.CANCELLED,),
)
"""How appointments of the past went, in turn."""
_COMING: Final = ((_S.CONFIRMED,), ())


async def fill(ctx: ModuleContext, clinic: DemoClinic) -> None:
    """Nothing without patients: the other module may have none to show."""
    patients, _ = await PatientService.list_patients(ctx.db, clinic.clinic_id, page_size=100)
    rooms = await cabinets.list_cabinets(ctx.db, clinic.clinic_id)
    if not patients or not rooms:
        return
    reasons = _REASONS[clinic.language]
    for number, starts in enumerate(times(clinic)):
        booked = await AgendaService.create_appointment(
            ctx.db,
            clinic.clinic_id,
            AppointmentCreate(
                patient_id=patients[number * 5 % len(patients)].id,
                professional_id=clinic.owner_id,
                cabinet_id=rooms[0].id,
                starts_at=starts,
                ends_at=starts + LASTS,
                reason=reasons[number % len(reasons)],
            ),
            clinic.owner_id,
        )
        steps = _WENT[number % len(_WENT)] if starts + LASTS <= clinic.now else _COMING[number % len(_COMING)]
        for step in steps:
            await AgendaService.change_status(ctx.db, clinic.clinic_id, booked.id, step, actor=clinic.owner_id)
    ctx.logger.info("%d appointments of invented patients written", 2 * DAYS * len(HOURS))


def times(clinic: DemoClinic) -> Iterator[datetime]:
    """The beginnings, by the clinic's own clock, on working days around today."""
    for day in _working_days(clinic.today):
        yield from (clinic.at(day, hour) for hour in HOURS)


def _working_days(today: date) -> list[date]:
    near = [today + timedelta(days=away) for away in range(-4 * DAYS, 4 * DAYS) if (today + timedelta(days=away)).weekday() < 5]
    before, after = [day for day in near if day < today], [day for day in near if day >= today]
    return [*before[-DAYS:], *after[:DAYS]]

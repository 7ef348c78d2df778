"""What the agenda says to others (module guide, "Appointment status lifecycle"). It listens to nobody.

Payloads carry ids, times (ISO 8601) and statuses, never what was written about the patient.
"""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from app.core.events import EventType, event_bus

from .models import Appointment, AppointmentCabinetEvent, AppointmentStatusEvent
from .states import Transition

RESCHEDULED = "agenda.rescheduled"


class RescheduledPayload(BaseModel):
    """The appointment as it is, and where it was before."""

    model_config = ConfigDict(extra="allow")

    clinic_id: UUID
    appointment_id: UUID
    patient_id: UUID
    starts_at: datetime
    ends_at: datetime
    from_starts_at: datetime
    from_ends_at: datetime
    from_professional_id: UUID


def get_events() -> dict:
    """There is no such event in the core's catalogue, so it carries this module's name."""
    return {RESCHEDULED: RescheduledPayload}


def get_event_handlers() -> dict:
    return {}


def publish_scheduled(appointment: Appointment) -> None:
    event_bus.publish(EventType.APPOINTMENT_SCHEDULED, {**_payload(appointment), "created_by": _text(appointment.created_by)})


def publish_rescheduled(appointment: Appointment, *, from_starts_at: datetime, from_ends_at: datetime, from_professional_id: UUID) -> None:
    before = {
        "from_starts_at": from_starts_at.isoformat(),
        "from_ends_at": from_ends_at.isoformat(),
        "from_professional_id": str(from_professional_id),
    }
    event_bus.publish(RESCHEDULED, {**_payload(appointment), **before})


def publish_transition(appointment: Appointment, transition: Transition, record: AppointmentStatusEvent) -> None:
    payload = {
        **_payload(appointment),
        "from_status": record.from_status,
        "to_status": record.to_status,
        "changed_at": record.changed_at.isoformat(),
        "changed_by": _text(record.changed_by),
    }
    event_bus.publish(EventType.APPOINTMENT_STATUS_CHANGED, payload)
    event_bus.publish(transition.event, payload)


def publish_cabinet_changed(appointment: Appointment, record: AppointmentCabinetEvent) -> None:
    payload = {
        **_payload(appointment),
        "from_cabinet_id": _text(record.from_cabinet_id),
        "to_cabinet_id": _text(record.to_cabinet_id),
        "changed_at": record.changed_at.isoformat(),
        "changed_by": _text(record.changed_by),
    }
    event_bus.publish(EventType.APPOINTMENT_CABINET_CHANGED, payload)


def _payload(appointment: Appointment) -> dict:
    return {
        "clinic_id": str(appointment.clinic_id),
        "appointment_id": str(appointment.id),
        "patient_id": str(appointment.patient_id),
        "professional_id": str(appointment.professional_id),
        "cabinet_id": _text(appointment.cabinet_id),
        "starts_at": appointment.starts_at.isoformat(),
        "ends_at": appointment.ends_at.isoformat(),
        "status": appointment.status,
    }


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)

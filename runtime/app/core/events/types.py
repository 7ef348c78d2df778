"""The core's catalogue of events: the names of the module guide (§6, §12) and what each payload carries at least.

The catalogue is vocabulary: whichever module owns the thing publishes it. Everything else is `<module>.<action>`, published by that module.
A payload may carry more than its model names; it holds ids, times, amounts and statuses, never what was written about a patient.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class EventType(StrEnum):
    """Names of the core's events; members are the strings themselves."""

    PATIENT_CREATED = "patient.created"
    PATIENT_UPDATED = "patient.updated"
    PATIENT_MEDICAL_UPDATED = "patient.medical_updated"

    APPOINTMENT_SCHEDULED = "appointment.scheduled"
    APPOINTMENT_STATUS_CHANGED = "appointment.status_changed"
    APPOINTMENT_CONFIRMED = "appointment.confirmed"
    APPOINTMENT_CHECKED_IN = "appointment.checked_in"
    APPOINTMENT_IN_TREATMENT = "appointment.in_treatment"
    APPOINTMENT_COMPLETED = "appointment.completed"
    APPOINTMENT_CANCELLED = "appointment.cancelled"
    APPOINTMENT_NO_SHOW = "appointment.no_show"
    APPOINTMENT_CABINET_CHANGED = "appointment.cabinet_changed"

    BUDGET_SENT = "budget.sent"
    BUDGET_ACCEPTED = "budget.accepted"

    INVOICE_ISSUED = "invoice.issued"
    INVOICE_PAID = "invoice.paid"


class Payload(BaseModel):
    """What every event of the core carries."""

    model_config = ConfigDict(extra="allow")

    clinic_id: UUID


class PatientPayload(Payload):
    patient_id: UUID


class AppointmentPayload(Payload):
    appointment_id: UUID
    patient_id: UUID | None = None


class StatusChangedPayload(AppointmentPayload):
    from_status: str
    to_status: str
    changed_at: datetime
    changed_by: UUID | None


class CabinetChangedPayload(AppointmentPayload):
    from_cabinet_id: UUID | None
    to_cabinet_id: UUID | None
    changed_at: datetime
    changed_by: UUID | None


class BudgetPayload(Payload):
    budget_id: UUID
    patient_id: UUID | None = None


class InvoicePayload(Payload):
    invoice_id: UUID
    patient_id: UUID | None = None
    total: Decimal | None = None


CATALOGUE: Final[Mapping[str, type[Payload]]] = {
    EventType.PATIENT_CREATED.value: PatientPayload,
    EventType.PATIENT_UPDATED.value: PatientPayload,
    EventType.PATIENT_MEDICAL_UPDATED.value: PatientPayload,
    EventType.APPOINTMENT_SCHEDULED.value: AppointmentPayload,
    EventType.APPOINTMENT_STATUS_CHANGED.value: StatusChangedPayload,
    EventType.APPOINTMENT_CONFIRMED.value: AppointmentPayload,
    EventType.APPOINTMENT_CHECKED_IN.value: AppointmentPayload,
    EventType.APPOINTMENT_IN_TREATMENT.value: AppointmentPayload,
    EventType.APPOINTMENT_COMPLETED.value: AppointmentPayload,
    EventType.APPOINTMENT_CANCELLED.value: AppointmentPayload,
    EventType.APPOINTMENT_NO_SHOW.value: AppointmentPayload,
    EventType.APPOINTMENT_CABINET_CHANGED.value: CabinetChangedPayload,
    EventType.BUDGET_SENT.value: BudgetPayload,
    EventType.BUDGET_ACCEPTED.value: BudgetPayload,
    EventType.INVOICE_ISSUED.value: InvoicePayload,
    EventType.INVOICE_PAID.value: InvoicePayload,
}

NAME: Final = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
NAME_LENGTH: Final = 120
_ENTITY_LENGTH = 160


def entity_of(name: str, payload: Mapping[str, Any]) -> str:
    """What the event is about, for the order of delivery: `appointment:<id>`; the name's first part if the payload names nothing.

    It is the thing the name begins with, else the first id in the payload that is not the clinic's.
    """
    subject = name.partition(".")[0]
    keys = [
        f"{subject}_id",
        *(key for key in payload if key.endswith("_id") and key not in ("clinic_id", "created_by_id", "changed_by_id")),
    ]
    for key in keys:
        value = payload.get(key)
        if value is not None:
            return f"{key.removesuffix('_id')}:{value}"[:_ENTITY_LENGTH]
    return subject[:_ENTITY_LENGTH]

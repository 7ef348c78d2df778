"""What this module says to others. It listens to nobody.

Payloads carry ids and the names of changed fields, never their values: events are kept, and read by other modules.
"""

from collections.abc import Iterable

from app.core.events import EventType, event_bus

from .models import Patient


def get_event_handlers() -> dict:
    return {}


def publish_created(patient: Patient) -> None:
    event_bus.publish(EventType.PATIENT_CREATED, _payload(patient))


def publish_updated(patient: Patient, changed: Iterable[str]) -> None:
    event_bus.publish(EventType.PATIENT_UPDATED, {**_payload(patient), "changed_fields": sorted(changed)})


def _payload(patient: Patient) -> dict:
    return {
        "clinic_id": str(patient.clinic_id),
        "patient_id": str(patient.id),
        "status": patient.status,
        "version": patient.version,
    }

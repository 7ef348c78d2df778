"""Life of an appointment: a table, because it is a table in the head. Source: module guide, "Appointment status lifecycle"."""

from dataclasses import dataclass
from enum import StrEnum

from app.core.events import EventType


class AppointmentStatus(StrEnum):
    SCHEDULED = "scheduled"
    CONFIRMED = "confirmed"
    CHECKED_IN = "checked_in"
    IN_TREATMENT = "in_treatment"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"


@dataclass(frozen=True, slots=True)
class Transition:
    """`event` is published beside the generic appointment.status_changed."""

    source: AppointmentStatus
    target: AppointmentStatus
    event: EventType
    needs_cabinet: bool = False


S, E = AppointmentStatus, EventType

TRANSITIONS = (
    Transition(S.SCHEDULED, S.CONFIRMED, E.APPOINTMENT_CONFIRMED),
    Transition(S.SCHEDULED, S.CHECKED_IN, E.APPOINTMENT_CHECKED_IN),
    Transition(S.CONFIRMED, S.CHECKED_IN, E.APPOINTMENT_CHECKED_IN),
    Transition(S.CHECKED_IN, S.IN_TREATMENT, E.APPOINTMENT_IN_TREATMENT, needs_cabinet=True),
    Transition(S.IN_TREATMENT, S.COMPLETED, E.APPOINTMENT_COMPLETED),
    Transition(S.SCHEDULED, S.CANCELLED, E.APPOINTMENT_CANCELLED),
    Transition(S.CONFIRMED, S.CANCELLED, E.APPOINTMENT_CANCELLED),
    Transition(S.CHECKED_IN, S.CANCELLED, E.APPOINTMENT_CANCELLED),
    Transition(S.IN_TREATMENT, S.CANCELLED, E.APPOINTMENT_CANCELLED),
    Transition(S.SCHEDULED, S.NO_SHOW, E.APPOINTMENT_NO_SHOW),
    Transition(S.CONFIRMED, S.NO_SHOW, E.APPOINTMENT_NO_SHOW),
)

_BY_STEP = {(step.source, step.target): step for step in TRANSITIONS}

# In these an appointment has a past and no future: it is not moved, reassigned or changed any more.
TERMINAL = frozenset(AppointmentStatus) - {step.source for step in TRANSITIONS}

# These leave the professional and the cabinet free; the exclusion constraints of the table say the same.
FREEING = frozenset({S.CANCELLED, S.NO_SHOW})


def find_transition(source: AppointmentStatus, target: AppointmentStatus) -> Transition | None:
    return _BY_STEP.get((source, target))


def possible_targets(source: AppointmentStatus) -> list[AppointmentStatus]:
    """Where an appointment may go from `source`, in the table's order."""
    return [step.target for step in TRANSITIONS if step.source == source]

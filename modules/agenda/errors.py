"""What can go wrong in the agenda, one type per case."""

from datetime import UTC, datetime
from uuid import UUID

from app.core.errors import DomainError

from .states import AppointmentStatus, possible_targets


class AppointmentNotFound(DomainError):
    status = 404
    code = "appointment_not_found"

    def __init__(self, appointment_id: UUID) -> None:
        super().__init__(f"There is no appointment {appointment_id} in this clinic. Look it up in the calendar of the right clinic.")


class CabinetNotFound(DomainError):
    status = 404
    code = "cabinet_not_found"

    def __init__(self, cabinet_id: UUID) -> None:
        super().__init__(f"There is no cabinet {cabinet_id} in this clinic. Choose one of GET /api/v1/agenda/cabinets.")


class CabinetArchived(DomainError):
    status = 409
    code = "cabinet_archived"

    def __init__(self, name: str) -> None:
        super().__init__(f"Cabinet {name} is archived. Choose another one, or make it active again.")


class CabinetNameTaken(DomainError):
    status = 409
    code = "cabinet_name_taken"

    def __init__(self, name: str) -> None:
        super().__init__(f"This clinic already has a cabinet called {name}. Choose another name.")


class CabinetRequiredError(DomainError):
    """Module guide, "Deferred cabinet assignment": treatment needs a chair."""

    status = 400
    code = "cabinet_required"

    def __init__(self, appointment_id: UUID) -> None:
        super().__init__(
            f"Appointment {appointment_id} has no cabinet, and treatment needs one. "
            f"Assign it first: PATCH /api/v1/agenda/appointments/{appointment_id}/cabinet."
        )


class ProfessionalNotFound(DomainError):
    status = 404
    code = "professional_not_found"

    def __init__(self, professional_id: UUID) -> None:
        super().__init__(f"Nobody with the id {professional_id} works in this clinic. Choose one of the clinic's members.")


class IllegalTransition(DomainError):
    status = 409
    code = "illegal_transition"

    def __init__(self, source: AppointmentStatus, target: AppointmentStatus) -> None:
        targets = ", ".join(possible_targets(source)) or "nothing: this is an end"
        super().__init__(f"An appointment that is {source} cannot become {target}. From {source} it can become {targets}.")


class AppointmentClosed(DomainError):
    status = 409
    code = "appointment_closed"

    def __init__(self, appointment_id: UUID, status: str) -> None:
        super().__init__(f"Appointment {appointment_id} is {status} and is not changed any more. Book another one.")


class AppointmentChanged(DomainError):
    status = 409
    code = "appointment_changed"

    def __init__(self, appointment_id: UUID, *, expected: int, current: int) -> None:
        super().__init__(
            f"Appointment {appointment_id} was changed meanwhile (version {current}, you edited version {expected}). "
            "Load it again and repeat your change."
        )


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


class AppointmentClash(DomainError):
    """Two appointments would hold the same professional or cabinet at the same time."""

    status = 409
    code = "appointment_clash"

    def __init__(self, resource: str, appointment_id: UUID | None, starts_at: datetime, ends_at: datetime) -> None:
        which = f"appointment {appointment_id}" if appointment_id else "another appointment"
        super().__init__(
            f"The {resource} is taken from {_utc(starts_at)} to {_utc(ends_at)} UTC by {which}. Choose another time or another {resource}.",
            resource=resource,
            appointment_id=None if appointment_id is None else str(appointment_id),
        )


class PeriodInvalid(DomainError):
    status = 422
    code = "period_invalid"

    def __init__(self) -> None:
        super().__init__("An appointment ends after it starts and lasts 24 hours at most. Correct starts_at or ends_at.")


class RangeTooLong(DomainError):
    status = 422
    code = "range_too_long"

    def __init__(self, days: int, most: int) -> None:
        super().__init__(f"A calendar of {days} days was asked for; ask for 1 to {most}, with `from` not after `to`.")

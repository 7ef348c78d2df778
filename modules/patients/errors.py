"""What can go wrong with patients, one type per case."""

from uuid import UUID

from app.core.errors import DomainError


class PatientNotFound(DomainError):
    status = 404
    code = "patient_not_found"

    def __init__(self, patient_id: UUID) -> None:
        super().__init__(
            f"There is no patient {patient_id} in this clinic. Search for the patient, or switch to the clinic they belong to."
        )


class PatientChanged(DomainError):
    status = 409
    code = "patient_changed"

    def __init__(self, patient_id: UUID, *, expected: int, current: int) -> None:
        super().__init__(
            f"Patient {patient_id} was changed meanwhile (version {current}, you edited version {expected}). "
            "Load the patient again and repeat your change."
        )


class PatientArchived(DomainError):
    status = 409
    code = "patient_archived"

    def __init__(self, patient_id: UUID) -> None:
        super().__init__(f"Patient {patient_id} is archived. Restore the patient first.")

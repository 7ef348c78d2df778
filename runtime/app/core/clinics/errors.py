"""Why a clinic cannot be changed."""

from typing import ClassVar

from dentalpin_kit.problems import DomainError


class ClinicIsAnother(DomainError):
    status: ClassVar[int] = 409
    code: ClassVar[str] = "clinic_is_another"

    def __init__(self) -> None:
        super().__init__("The request is about another clinic than the one in its address. Name that one with the header X-Clinic-Id.")

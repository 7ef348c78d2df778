"""What the API takes and answers."""

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, StringConstraints, field_validator, model_validator

from app.core.support import SHOWN

EARLIEST_BIRTH = date(1880, 1, 1)


def _without_nul(value: str) -> str:
    """PostgreSQL keeps no NUL character in a text."""
    if "\x00" in value:
        raise ValueError("the text contains a NUL character")
    return value


PlainText = AfterValidator(_without_nul)
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), PlainText]
LastName = Annotated[str, StringConstraints(strip_whitespace=True, max_length=150), PlainText]
Phone = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=40, pattern=r"^[+()\d][\d\s().\-/+x]*$")]
Document = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=40), PlainText]
Notes = Annotated[str, StringConstraints(max_length=20_000), PlainText]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), PlainText]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Search = Annotated[str, StringConstraints(max_length=200), PlainText]


class PatientStatus(StrEnum):
    ACTIVE = "active"
    ARCHIVED = "archived"


class StatusFilter(StrEnum):
    ACTIVE = "active"
    ARCHIVED = "archived"
    ALL = "all"


class Address(BaseModel):
    model_config = ConfigDict(extra="forbid")

    street: Line | None = None
    postal_code: Line | None = None
    city: Line | None = None
    region: Line | None = None
    country: Country | None = None


class _PatientFields(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @field_validator("birth_date", check_fields=False)
    @classmethod
    def _plausible(cls, value: date | None) -> date | None:
        # A clinic east of Greenwich may already be in tomorrow.
        latest = datetime.now(UTC).date() + timedelta(days=1)
        if value is not None and not EARLIEST_BIRTH <= value <= latest:
            raise ValueError(f"a birth date lies between {EARLIEST_BIRTH} and today")
        return value

    @field_validator("email", check_fields=False)
    @classmethod
    def _lower(cls, value: str | None) -> str | None:
        return None if value is None else value.lower()


class PatientCreate(_PatientFields):
    first_name: Name
    last_name: LastName = ""
    birth_date: date | None = None
    national_id: Document | None = None
    email: EmailStr | None = None
    phone: Phone | None = None
    address: Address = Field(default_factory=Address)
    notes: Notes = ""


class PatientUpdate(_PatientFields):
    """Only the given fields change. `version` is the one last read: a patient somebody else changed meanwhile is not overwritten."""

    version: int = Field(ge=1)
    first_name: Name | None = None
    last_name: LastName | None = None
    birth_date: date | None = None
    national_id: Document | None = None
    email: EmailStr | None = None
    phone: Phone | None = None
    address: Address | None = None
    notes: Notes | None = None

    @model_validator(mode="after")
    def _required_stay(self) -> Self:
        cleared = [
            name
            for name in ("first_name", "last_name", "address", "notes")
            if name in self.model_fields_set and getattr(self, name) is None
        ]
        if cleared:
            raise ValueError(f"{', '.join(cleared)} cannot be null: leave it out to keep it")
        return self

    def changes(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True, exclude={"version"})


class DuplicateReason(StrEnum):
    SAME_DOCUMENT = "same_document"
    SAME_NAME_AND_BIRTH_DATE = "same_name_and_birth_date"
    SAME_NAME = "same_name"
    SAME_CONTACT = "same_contact"


class PossibleDuplicate(BaseModel):
    """A patient already on file who may be the same person, and why."""

    id: UUID
    full_name: str
    birth_date: date | None
    status: PatientStatus
    reasons: list[DuplicateReason]


class PatientResponse(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    first_name: str
    last_name: str
    full_name: str
    birth_date: date | None
    national_id: str | None
    email: str | None
    phone: str | None
    address: Address
    notes: str
    status: Annotated[PatientStatus, SHOWN]
    archived_at: Annotated[datetime | None, SHOWN]
    version: Annotated[int, SHOWN]
    created_at: Annotated[datetime, SHOWN]
    updated_at: Annotated[datetime, SHOWN]


class PatientWritten(PatientResponse):
    """A written patient, with the people on file who may be the same person: a warning, never a refusal."""

    possible_duplicates: list[PossibleDuplicate] = Field(default_factory=list)

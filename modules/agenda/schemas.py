"""What the API takes and answers. Times carry an offset, always: "ten o'clock" without one is refused."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.core.support import SHOWN

from .states import AppointmentStatus

# What PostgreSQL and Python both hold, with room for any time zone.
EARLIEST, LATEST = 1900, 2200


def _without_nul(value: str) -> str:
    """PostgreSQL keeps no NUL character in a text."""
    if "\x00" in value:
        raise ValueError("the text contains a NUL character")
    return value


def _in_this_era(value: datetime) -> datetime:
    if not EARLIEST <= value.year < LATEST:
        raise ValueError(f"an appointment lies between the years {EARLIEST} and {LATEST}")
    # As it is read back, so that what is answered now and later is the same.
    return value.astimezone(UTC)


PlainText = AfterValidator(_without_nul)
Moment = Annotated[AwareDatetime, AfterValidator(_in_this_era)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), PlainText]
Notes = Annotated[str, StringConstraints(max_length=20_000), PlainText]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), PlainText]
CabinetName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80), PlainText]
Position = Annotated[int, Field(ge=0, le=10_000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    def changes(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True, exclude={"version"})


def _refuse_null(body: BaseModel, *names: str) -> None:
    cleared = [name for name in names if name in body.model_fields_set and getattr(body, name) is None]
    if cleared:
        raise ValueError(f"{', '.join(cleared)} cannot be null: leave it out to keep it")


class CabinetCreate(_Body):
    name: CabinetName
    position: Position = 0


class CabinetUpdate(_Body):
    name: CabinetName | None = None
    position: Position | None = None
    archived: bool | None = None

    @model_validator(mode="after")
    def _required_stay(self) -> Self:
        _refuse_null(self, "name", "position", "archived")
        return self


class CabinetResponse(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: Annotated[str, SHOWN]
    position: Annotated[int, SHOWN]
    status: Annotated[str, SHOWN]


class AppointmentCreate(_Body):
    patient_id: UUID
    professional_id: UUID
    cabinet_id: UUID | None = None
    starts_at: Moment
    ends_at: Moment
    reason: Reason = ""
    notes: Notes = ""


class AppointmentUpdate(_Body):
    """Only the given fields change. The cabinet and the status have routes of their own."""

    version: int = Field(ge=1)
    professional_id: UUID | None = None
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    reason: Reason | None = None
    notes: Notes | None = None

    @model_validator(mode="after")
    def _required_stay(self) -> Self:
        _refuse_null(self, "professional_id", "starts_at", "ends_at", "reason", "notes")
        return self


class StatusChange(_Body):
    to_status: AppointmentStatus
    note: Note = ""


class CabinetChange(_Body):
    """`null` takes the cabinet away again."""

    cabinet_id: UUID | None


class AppointmentResponse(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    patient_id: UUID
    patient_name: str = ""
    professional_id: UUID
    cabinet_id: UUID | None
    starts_at: Annotated[datetime, SHOWN]
    ends_at: Annotated[datetime, SHOWN]
    status: Annotated[AppointmentStatus, SHOWN]
    possible_statuses: Annotated[list[AppointmentStatus], SHOWN] = Field(default_factory=list)
    reason: str
    notes: str
    version: Annotated[int, SHOWN]
    created_by: UUID | None
    created_at: Annotated[datetime, SHOWN]
    updated_at: Annotated[datetime, SHOWN]


class TransitionResponse(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    from_status: Annotated[AppointmentStatus | None, SHOWN]
    to_status: Annotated[AppointmentStatus, SHOWN]
    note: str
    changed_by: UUID | None
    changed_at: Annotated[datetime, SHOWN]


class CabinetEventResponse(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    from_cabinet_id: UUID | None
    to_cabinet_id: UUID | None
    changed_by: UUID | None
    changed_at: Annotated[datetime, SHOWN]


class CalendarResponse(BaseModel):
    """Days of the clinic's calendar, from its midnight to its midnight, whatever the offset did in between."""

    timezone: Annotated[str, SHOWN]
    from_date: Annotated[date, SHOWN]
    to_date: Annotated[date, SHOWN]
    starts_at: Annotated[datetime, SHOWN]
    ends_at: Annotated[datetime, SHOWN]
    cabinets: list[CabinetResponse]
    appointments: list[AppointmentResponse]

"""Bodies and answers of `/api/v1/clinics`."""

from typing import Annotated, Self
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from app.core.auth.identity import ClinicRole, CurrentClinic

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class _Facts(BaseModel):
    country: str | None = Field(None, pattern=r"^[A-Z]{2}$")
    territory: str | None = Field(None, max_length=8)
    timezone: str | None = None
    currency: str | None = Field(None, pattern=r"^[A-Z]{3}$")
    locale: str | None = Field(None, pattern=r"^[a-z]{2}(-[A-Z]{2})?$")
    legal_form: str | None = Field(None, max_length=40)
    tax_id: str | None = Field(None, max_length=40)

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in available_timezones():
            raise ValueError("not a time zone of the IANA database, such as Europe/Madrid")
        return value


class ClinicCreate(_Facts):
    """A further clinic of this tenant. What is left out is taken from the clinic the request is about."""

    name: Name


class ClinicChange(_Facts):
    """What is left out stays as it is."""

    name: Name | None = None
    second_factor_required: bool | None = None
    """Whether everybody in the clinic has to have a second factor; who has none can do nothing else there until they do."""


class ClinicResponse(BaseModel):
    """A clinic and the caller's role in it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    country: str
    territory: str | None
    timezone: str
    currency: str
    locale: str
    legal_form: str | None
    tax_id: str | None
    second_factor_required: bool
    role: str

    @classmethod
    def of(cls, clinic: CurrentClinic, role: str) -> Self:
        return cls(
            id=clinic.id,
            name=clinic.name,
            country=clinic.country,
            territory=clinic.territory,
            timezone=clinic.timezone,
            currency=clinic.currency,
            locale=clinic.locale,
            legal_form=clinic.legal_form,
            tax_id=clinic.tax_id,
            second_factor_required=clinic.second_factor_required,
            role=role,
        )

    @classmethod
    def of_membership(cls, membership: ClinicRole) -> Self:
        return cls.of(membership.clinic, membership.role)

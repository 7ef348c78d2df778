"""Bodies and answers of `/api/v1/auth`."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from .identity import Identity
from .permissions import ModuleGrants, permissions_for


class Credentials(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    email: str = Field(min_length=3, max_length=254)
    password: SecretStr = Field(max_length=1024)
    clinic_id: UUID | None = None
    """The clinic the access token is for; requests may still name another."""


class SecondStep(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    pending: SecretStr = Field(min_length=1, max_length=2048)
    code: SecretStr = Field(min_length=1, max_length=40)


class RefreshRequest(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    refresh_token: SecretStr = Field(min_length=1, max_length=256)
    clinic_id: UUID | None = None


class Tokens(BaseModel):
    """`expires_in` counts the access token's seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = "bearer"  # noqa: S105  the name of the scheme (RFC 6750)


class UserOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    full_name: str
    is_owner: bool
    has_second_factor: bool


class ClinicOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    country: str
    territory: str | None
    timezone: str
    currency: str
    locale: str
    second_factor_required: bool


class MembershipOut(BaseModel):
    clinic: ClinicOut
    role: str
    permissions: list[str]


class Me(BaseModel):
    """Who is signed in, where they work, and what they may do; `clinic_id` is the clinic used when none is named."""

    user: UserOut
    memberships: list[MembershipOut]
    clinic_id: UUID | None
    permissions: list[str]

    @classmethod
    def of(cls, identity: Identity, asked: UUID | None, modules: ModuleGrants) -> "Me":
        memberships = [
            MembershipOut(
                clinic=ClinicOut.model_validate(each.clinic), role=each.role, permissions=sorted(permissions_for(each.grants, modules))
            )
            for each in identity.memberships
        ]
        wanted = asked or identity.token_clinic_id
        current = [each for each in memberships if each.clinic.id == wanted or (wanted is None and len(memberships) == 1)]
        return cls(
            user=UserOut.model_validate(identity.user),
            memberships=memberships,
            clinic_id=current[0].clinic.id if current else None,
            permissions=current[0].permissions if current else [],
        )

"""Bodies and answers about one's own account."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from .models import AccessEntry


class _Secretive(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)


class PasswordChange(_Secretive):
    current: SecretStr = Field(max_length=1024)
    new: SecretStr = Field(max_length=1024)


class PasswordForgotten(_Secretive):
    email: str = Field(min_length=3, max_length=254)


class PasswordReset(_Secretive):
    token: SecretStr = Field(max_length=256)
    password: SecretStr = Field(max_length=1024)


class PasswordProof(_Secretive):
    password: SecretStr = Field(max_length=1024)


class Code(_Secretive):
    code: SecretStr = Field(min_length=1, max_length=40)
    """Of the authenticator app; a recovery code where one may stand in for it."""


class SessionOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    began: datetime
    renewed: datetime
    expires: datetime | None
    peer: str | None
    agent: str | None
    current: bool = False
    """Whether this very request belongs to it."""


class SecondFactorOut(BaseModel):
    in_force: bool
    recovery_codes_left: int


class EnrolmentOut(BaseModel):
    """`uri` is what a QR code for authenticator apps holds."""

    model_config = ConfigDict(from_attributes=True)

    secret: str
    uri: str


class RecoveryCodesOut(BaseModel):
    """Shown once: keep them where the phone is not."""

    recovery_codes: list[str]


class EntryOut(BaseModel):
    id: int
    event: str
    at: datetime
    user_id: UUID | None
    email: str | None
    actor_id: UUID | None
    clinic_id: UUID | None
    peer: str | None
    agent: str | None
    details: dict[str, Any]

    @classmethod
    def of(cls, entry: AccessEntry, email: str | None) -> "EntryOut":
        return cls(
            id=entry.id,
            event=entry.event,
            at=entry.created_at,
            user_id=entry.user_id,
            email=email,
            actor_id=entry.actor_id,
            clinic_id=entry.clinic_id,
            peer=entry.peer,
            agent=entry.agent,
            details=entry.details,
        )

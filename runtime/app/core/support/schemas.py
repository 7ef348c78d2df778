"""Support accesses as both APIs take and show them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from .models import SupportAccess
from .service import Asked, Listed
from .states import AccessState

Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500, pattern=r"^[^\x00]*$")]


class AskedIn(BaseModel):
    """What the platform sends."""

    operator: str = Field(max_length=254)
    operator_name: str = Field(max_length=200)
    reason: str = Field(max_length=2000)
    minutes: int = Field(ge=1, le=60)
    expires_at: AwareDatetime

    def asked(self, access_id: UUID) -> Asked:
        return Asked(access_id, self.operator, self.operator_name, self.reason, self.minutes, self.expires_at)


class AccessForPlatform(BaseModel):
    """Where an access stands, as the platform is told. `decided_by` is the person of the clinic who answered."""

    id: UUID
    state: AccessState
    decided_at: datetime | None
    decided_by: str | None
    note: str | None
    ends_at: datetime | None
    opened_at: datetime | None
    ended_at: datetime | None
    reads: int

    @classmethod
    def of(cls, listed: Listed) -> "AccessForPlatform":
        access = listed.access
        return cls(
            id=access.id,
            state=AccessState(access.state),
            decided_at=access.decided_at,
            decided_by=listed.decided_by,
            note=access.note,
            ends_at=access.ends_at,
            opened_at=access.opened_at,
            ended_at=access.ended_at,
            reads=listed.reads,
        )


class SupportAccessOut(BaseModel):
    """A request of the platform's support, what the clinic said to it, and how it ended."""

    id: UUID
    operator: str
    operator_name: str
    reason: str
    minutes: int
    state: AccessState
    requested_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    note: str | None
    ends_at: datetime | None
    opened_at: datetime | None
    ended_at: datetime | None
    ended_by: str | None
    reads: int

    @classmethod
    def of(cls, listed: Listed) -> "SupportAccessOut":
        access = listed.access
        shared = {name: getattr(access, name) for name in cls.model_fields if name not in ("decided_by", "ended_by", "reads")}
        return cls(**shared, decided_by=listed.decided_by, ended_by=listed.ended_by, reads=listed.reads)


class SupportReadOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    at: datetime
    method: str
    path: str


class AnswerIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    note: Note | None = Field(None, description="What support is told with the answer.")


class PassIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    support_pass: str = Field(max_length=4096, description="As `POST /v1/tenants/{slug}/support/{id}/pass` of the platform gave it.")


class SupportSessionOut(BaseModel):
    """`token` goes as bearer with every request. It reads, masked, until `ends_at` at the latest."""

    token: str
    ends_at: datetime


class SupportPresent(BaseModel):
    """Somebody of the platform's support looks into this clinic."""

    operator: str
    until: datetime

    @classmethod
    def of(cls, access: SupportAccess) -> "SupportPresent":
        assert access.ends_at is not None
        return cls(operator=access.operator_name or access.operator, until=access.ends_at)

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from control_plane.support.models import SupportRequest
from control_plane.support.states import SupportState

Why = Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=2000, pattern=r"^[^\x00]*$")]


class NewSupportRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    why: Why = Field(description="What the clinic reads before it answers. No patient's data.", examples=["Your calendar does not load."])
    minutes: int = Field(30, ge=1, le=60, description="How long to look, once the clinic agreed.")
    expires_in_hours: int = Field(24, ge=1, le=72, description="How long the clinic may take to answer.")


class SupportRequestOut(BaseModel):
    """`reason` says why it is where it is; `decided_by` and `note` are the clinic's."""

    id: UUID
    tenant: str
    operator: str
    operator_name: str
    why: str
    minutes: int
    state: SupportState
    reason: str | None
    created_at: datetime
    expires_at: datetime
    looked_at: datetime | None
    decided_at: datetime | None
    decided_by: str | None
    note: str | None
    ends_at: datetime | None
    opened_at: datetime | None
    ended_at: datetime | None
    reads: int

    @classmethod
    def of(cls, request: SupportRequest, slug: str) -> "SupportRequestOut":
        return cls(tenant=slug, **{name: getattr(request, name) for name in cls.model_fields if name != "tenant"})


class SupportRequestList(BaseModel):
    items: list[SupportRequestOut]
    next: str | None


class SupportPassOut(BaseModel):
    """Send `support_pass` as `POST {address}/api/v1/support/session` within a minute; the answer is the session's token."""

    support_pass: str | None = Field(description="Works once, and is shown once; null where the request is repeated.")
    address: str
    ends_at: datetime

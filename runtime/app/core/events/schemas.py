"""What `/api/v1/events` answers."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel

from .deliveries import DeliveryView
from .models import DeliveryStatus


class DeliveryOut(BaseModel):
    """One event on its way to one handler."""

    id: int
    event_id: int
    event: str
    module: str
    handler: str
    clinic_id: UUID | None
    entity: str
    status: DeliveryStatus
    attempts: int
    published_at: datetime
    next_attempt_at: datetime
    finished_at: datetime | None
    last_error: str | None
    decision: str | None
    decided_by: UUID | None
    decided_at: datetime | None

    @classmethod
    def of(cls, view: DeliveryView) -> Self:
        return cls.model_validate(view, from_attributes=True)


class DeliveryDetail(DeliveryOut):
    payload: dict[str, Any]


class EventTypeOut(BaseModel):
    """One event that may be published here."""

    name: str
    module: str | None
    """The module that declares it; null for the core's catalogue."""
    heard_by: list[str]
    payload: dict[str, Any] | None
    """JSON Schema of what the payload holds at least."""


class ReplayChoice(BaseModel):
    """Which dead letters; without either, all of this clinic."""

    module: str | None = None
    event: str | None = None


class ReplayedOut(BaseModel):
    replayed: int

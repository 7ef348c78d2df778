"""Webhooks as the API takes and shows them."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from control_plane.languages import Language
from control_plane.tenants.schemas import Email
from control_plane.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from control_plane.webhooks.states import DeliveryState, EndpointState
from control_plane.webhooks.types import EventType

Url = Annotated[str, Field(min_length=8, max_length=2000, description="https, to a host that the internet reaches.")]
Events = Annotated[list[str], Field(max_length=100, description="Names of events (`GET /v1/webhooks/events`); empty: all.")]
Description = Annotated[str, Field(max_length=200)]


class NewWebhook(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: Url
    description: Description = ""
    events: Events = []
    contact: Annotated[Email | None, Field(description="Gets a mail when the webhook is disabled for its failures.")] = None
    language: Language = "en"


class WebhookChange(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    url: Url | None = None
    description: Description | None = None
    events: Events | None = None
    contact: Email | None = None
    language: Language | None = None


class Recovery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    since: Annotated[AwareDatetime | None, Field(description="Only what happened from this moment on; left out: all that is kept.")] = None


class EventTypeOut(BaseModel):
    name: str
    summary: str
    members: list[str]

    @classmethod
    def of(cls, event: EventType) -> "EventTypeOut":
        return cls(name=event.name, summary=event.summary, members=list(event.members))


class EventTypeList(BaseModel):
    items: list[EventTypeOut]


class WebhookOut(BaseModel):
    id: UUID
    url: str
    description: str
    events: list[str]
    contact: str | None
    language: str
    state: EndpointState
    reason: str | None
    failures: int
    """In a row."""
    next_attempt_at: datetime | None
    """When it is tried again after a failure."""
    succeeded_at: datetime | None
    failed_at: datetime | None
    previous_secret_until: datetime | None
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, endpoint: WebhookEndpoint) -> "WebhookOut":
        waits = endpoint.failures > 0 and endpoint.state is EndpointState.ENABLED
        return cls(
            id=endpoint.id,
            url=endpoint.url,
            description=endpoint.description,
            events=endpoint.events,
            contact=endpoint.contact,
            language=endpoint.locale,
            state=endpoint.state,
            reason=endpoint.reason,
            failures=endpoint.failures,
            next_attempt_at=endpoint.due_at if waits else None,
            succeeded_at=endpoint.succeeded_at,
            failed_at=endpoint.failed_at,
            previous_secret_until=endpoint.previous_until,
            created_at=endpoint.created_at,
            created_by=endpoint.created_by,
        )


class WebhookWithSecret(WebhookOut):
    secret: str | None = Field(description="Shown this once; null where the request is repeated with its Idempotency-Key.")

    @classmethod
    def showing(cls, endpoint: WebhookEndpoint, secret: str) -> "WebhookWithSecret":
        return cls(secret=secret, **WebhookOut.of(endpoint).model_dump())


class WebhookList(BaseModel):
    items: list[WebhookOut]
    next: str | None


class Attempt(BaseModel):
    at: datetime
    status: int | None
    reason: str | None
    milliseconds: int


class DeliveryOut(BaseModel):
    id: UUID
    message_id: str
    """The `webhook-id` header: the same in every attempt and redelivery of one event."""
    event: str
    happened_at: datetime
    state: DeliveryState
    reason: str | None
    attempts: list[Attempt]
    redelivery_of: UUID | None
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, delivery: WebhookDelivery, event: WebhookEvent) -> "DeliveryOut":
        return cls(
            id=delivery.id,
            message_id=event.message_id,
            event=event.type,
            happened_at=event.happened_at,
            state=delivery.state,
            reason=delivery.reason,
            attempts=[Attempt.model_validate(entry) for entry in delivery.log],
            redelivery_of=delivery.redelivery_of,
            created_at=delivery.created_at,
            finished_at=delivery.finished_at,
        )


class DeliveryDetail(DeliveryOut):
    payload: Any
    """What is sent."""


class DeliveryList(BaseModel):
    items: list[DeliveryOut]
    next: str | None


class Queued(BaseModel):
    queued: int
    """How many deliveries were put into the queue."""

"""Endpoints, what happened, and what became of telling them. Secrets are sealed; they are needed to sign, so a digest would not do."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Integer, LargeBinary, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base, text_enum
from control_plane.webhooks.states import DELIVERY, ENDPOINT, DeliveryEvent, DeliveryState, EndpointEvent, EndpointState


class WebhookEndpoint(Base):
    __tablename__ = "webhook_endpoint"
    __table_args__ = (CheckConstraint("state <> 'disabled' OR reason IS NOT NULL", name="disabled_has_reason"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    url: Mapped[str] = mapped_column(String(2000))
    description: Mapped[str] = mapped_column(String(200))
    events: Mapped[list[str]]
    """Names of the events it asked for; empty: all."""
    contact: Mapped[str | None] = mapped_column(String(254))
    """Gets a mail when the endpoint is disabled for its failures."""
    locale: Mapped[str] = mapped_column(String(20))
    state: Mapped[EndpointState] = mapped_column(text_enum(EndpointState), default=ENDPOINT.initial)
    reason: Mapped[str | None]
    sealed_secret: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_previous: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_until: Mapped[datetime | None]
    """Until then what is sent is signed with the secret before, too."""
    failures: Mapped[int] = mapped_column(Integer, default=0)
    """In a row, whatever was sent."""
    due_at: Mapped[datetime]
    """The first moment at which it may be tried."""
    fence: Mapped[int] = mapped_column(BigInteger, default=0)
    leased_until: Mapped[datetime | None]
    succeeded_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(120))

    def move(self, on: EndpointEvent, *, reason: str | None = None) -> None:
        self.state, self.reason = ENDPOINT.target(self.state, on), reason

    def wants(self, event: str) -> bool:
        return not self.events or event in self.events


class WebhookEvent(Base):
    """What happened, written with the deed. `body` is made once: every attempt at every endpoint sends the same bytes."""

    __tablename__ = "webhook_event"
    __table_args__ = (
        Index("ix_webhook_event_waiting", "number", postgresql_where=text("fanned_out_at IS NULL")),
        CheckConstraint("fanned_out_at IS NULL OR body IS NOT NULL", name="fanned_out_has_body"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    type: Mapped[str] = mapped_column(String(60))
    tenant_id: Mapped[UUID | None]
    details: Mapped[dict[str, Any]]
    happened_at: Mapped[datetime] = mapped_column(index=True)
    fanned_out_at: Mapped[datetime | None]
    body: Mapped[str | None]

    @property
    def message_id(self) -> str:
        """The `webhook-id`: the same in every attempt and redelivery, so that a receiver knows a repetition."""
        return f"msg_{self.id.hex}"


class WebhookDelivery(Base):
    """One event on its way to one endpoint. The queue of an endpoint is its pending deliveries by number."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        Index("ix_webhook_delivery_queue", "endpoint_id", "number", postgresql_where=text("state = 'pending'")),
        Index("ix_webhook_delivery_endpoint_id_number", "endpoint_id", "number"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoint.id", ondelete="CASCADE"))
    event_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_event.id", ondelete="CASCADE"), index=True)
    state: Mapped[DeliveryState] = mapped_column(text_enum(DeliveryState), default=DELIVERY.initial)
    reason: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    log: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list)
    """Each attempt: when, the status answered or what went wrong, how many milliseconds it took."""
    redelivery_of: Mapped[UUID | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]

    def move(self, on: DeliveryEvent, *, at: datetime, reason: str | None = None) -> None:
        self.state, self.reason, self.finished_at = DELIVERY.target(self.state, on), reason, at

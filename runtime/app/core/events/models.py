"""The outbox: an event as it was published, and one delivery per handler that was subscribed then."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Integer, String, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database import Base


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    DONE = "done"
    DEAD = "dead"
    """Given up after as many attempts as there are; a person decides."""
    CLOSED = "closed"
    """Its module went before it was delivered."""


class Event(Base):
    __tablename__ = "core_event"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    clinic_id: Mapped[UUID | None]
    entity: Mapped[str] = mapped_column(String(160))
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    deliveries: Mapped[list["EventDelivery"]] = relationship(back_populates="event", cascade="all, delete-orphan", passive_deletes=True)


class EventDelivery(Base):
    __tablename__ = "core_event_delivery"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("core_event.id", ondelete="CASCADE"), index=True)
    module_name: Mapped[str] = mapped_column(String(80))
    handler: Mapped[str] = mapped_column(String(200))
    clinic_id: Mapped[UUID | None]
    entity: Mapped[str] = mapped_column(String(160))
    status: Mapped[str] = mapped_column(String(20), server_default=DeliveryStatus.PENDING)
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    next_attempt_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    last_error: Mapped[str | None] = mapped_column(Text)
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    decision: Mapped[str | None] = mapped_column(String(20))
    """What a person decided last: `replayed` or `discarded`."""
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    event: Mapped[Event] = relationship(back_populates="deliveries")

"""Desired state. Rows are never changed or deleted (a trigger sees to it); going back is a new generation."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base


class Revision(Base):
    __tablename__ = "revision"
    __table_args__ = (UniqueConstraint("tenant_id", "generation"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    generation: Mapped[int] = mapped_column(Integer)
    release_id: Mapped[str] = mapped_column(ForeignKey("release.id"))
    document: Mapped[dict[str, Any]]
    identity: Mapped[str] = mapped_column(String(80))
    effect: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(120))

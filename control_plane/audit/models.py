from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, String
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base


class AuditEntry(Base):
    __tablename__ = "audit_entry"

    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(120))
    action: Mapped[str] = mapped_column(String(60))
    tenant_id: Mapped[UUID | None] = mapped_column(index=True)
    details: Mapped[dict[str, Any]]

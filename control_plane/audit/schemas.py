"""The audit as the API shows it."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from control_plane.audit.models import AuditEntry


class AuditOut(BaseModel):
    at: datetime
    actor: str
    action: str
    details: dict[str, Any]

    @classmethod
    def of(cls, entry: AuditEntry) -> "AuditOut":
        return cls(at=entry.at, actor=entry.actor, action=entry.action, details=entry.details)


class AuditList(BaseModel):
    items: list[AuditOut]

"""The audit as the API shows it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from control_plane.audit.chain import Head
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
    next: str | None
    """Pass as `after` for the following page; null on the last."""


class ChainedOut(AuditOut):
    position: int | None
    tenant_id: UUID | None
    link: str | None

    @classmethod
    def of(cls, entry: AuditEntry) -> "ChainedOut":
        return cls(position=entry.position, tenant_id=entry.tenant_id, link=entry.link, **AuditOut.of(entry).model_dump())


class ChainedList(BaseModel):
    items: list[ChainedOut]
    next: str | None


class HeadOut(BaseModel):
    position: int
    link: str
    noted: str = Field(description="Keep it outside this platform; `dentalpin-cloud audit verify --head` compares with it.")

    @classmethod
    def of(cls, head: Head) -> "HeadOut":
        return cls(position=head.position, link=head.link, noted=str(head))

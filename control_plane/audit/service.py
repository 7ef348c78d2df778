"""Recording who did what. `details` holds ids, names and settings of accounts, never secrets and nothing of patients."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.audit.models import AuditEntry


def record(session: AsyncSession, actor: Actor, action: str, *, at: datetime, tenant_id: UUID | None = None, **details: Any) -> None:
    """Add an entry to the transaction at hand; it stands if and only if the deed does."""
    session.add(AuditEntry(at=at, actor=actor.label, action=action, tenant_id=tenant_id, details=details))

"""Recording who did what. `details` holds ids, names and settings of accounts, never secrets and nothing of patients."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.audit.chain import Head, Link, content_of, storable
from control_plane.audit.models import AuditEntry, AuditHead
from control_plane.database import Database
from control_plane.webhooks.events import publish

_AT_ONCE: Final = 500


def record(session: AsyncSession, actor: Actor, action: str, *, at: datetime, tenant_id: UUID | None = None, **details: Any) -> None:
    """Add an entry to the transaction at hand; it stands if and only if the deed does."""
    content = content_of(at, actor.label, action, str(tenant_id) if tenant_id else None, details)
    session.add(AuditEntry(at=at, actor=actor.label, action=action, tenant_id=tenant_id, details=storable(details), content=content))
    publish(session, action, at=at, tenant_id=tenant_id, details=storable(details))


async def head(session: AsyncSession) -> Head:
    found = await session.get_one(AuditHead, True, populate_existing=True)
    return Head(found.position, found.link)


async def links(database: Database, until: Head, *, after: int = 0) -> AsyncIterator[Link]:
    """The chain from the entry behind `after` to `until`, read in pieces so that it may be long."""
    while after < until.position:
        query = select(AuditEntry).where(AuditEntry.position > after, AuditEntry.position <= until.position)
        async with database.transaction() as session:
            found = list(await session.scalars(query.order_by(AuditEntry.position).limit(_AT_ONCE)))
        for entry in found:
            yield link_of_entry(entry)
        if len(found) < _AT_ONCE:
            return
        after = found[-1].position or until.position


def link_of_entry(entry: AuditEntry) -> Link:
    return Link(
        position=entry.position or 0,
        at=entry.at.isoformat(),
        actor=entry.actor,
        action=entry.action,
        tenant_id=str(entry.tenant_id) if entry.tenant_id else None,
        details=entry.details,
        previous=entry.previous or "",
        link=entry.link or "",
    )

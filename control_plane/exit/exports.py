"""Exports: asking for one, what is kept of it, and the links by which a clinic's owner, and nobody else, downloads it.

No link is ever shown to an operator: it is mailed to the owner, works once, and what it opens is read by nobody on the way.
"""

import hashlib
import secrets
from collections.abc import AsyncGenerator
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER, Actor
from control_plane.audit import service as audit
from control_plane.backups.sealing import unseal
from control_plane.exit.archiving import Archived
from control_plane.exit.errors import ExportGone, ExportKept, ExportNotPossible, LinkUnknown, UnknownExport
from control_plane.exit.models import ExportKind, ExportLink, TenantExport
from control_plane.mail import outbox
from control_plane.operations import service as operations
from control_plane.operations.kinds import OperationKind
from control_plane.operations.models import Operation
from control_plane.platform import Platform
from control_plane.revisions import service as revisions
from control_plane.revisions.document import parse
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState

LINK_LASTS: Final = timedelta(days=7)
_HAS_DATA: Final = frozenset({TenantState.ACTIVE, TenantState.DEGRADED, TenantState.CHANGING, TenantState.CLOSING}) | {
    TenantState.ARCHIVING,
    TenantState.ARCHIVED,
}


async def request(session: AsyncSession, platform: Platform, tenant: Tenant, *, actor: Actor) -> Operation:
    """Begin to export a clinic; its owner is mailed a link once it is ready. `tenant` is locked. Raises ExportNotPossible."""
    if tenant.state not in _HAS_DATA:
        raise ExportNotPossible(tenant.slug, tenant.state)
    now = platform.clock.now()
    operation = await operations.start(session, tenant, OperationKind.EXPORT, actor=actor, at=now, generation=tenant.generation)
    audit.record(session, actor, "export.requested", at=now, tenant_id=tenant.id, operation=str(operation.id))
    return operation


async def keep(
    session: AsyncSession,
    platform: Platform,
    tenant: Tenant,
    operation: Operation,
    archived: Archived,
    *,
    kind: ExportKind,
    until: date | None,
    reason: str,
) -> TenantExport:
    """Record what was stored, in the transaction that ends the step; of a step done again, the row there is."""
    found = await session.scalar(select(TenantExport).where(TenantExport.operation_id == operation.id))
    if found is not None:
        found.bytes, found.sha256, found.format = archived.bytes, archived.sha256, archived.format
        return found
    now = platform.clock.now()
    export = TenantExport(
        tenant_id=tenant.id,
        operation_id=operation.id,
        kind=kind,
        format=archived.format,
        object_key=archived.object_key,
        bytes=archived.bytes,
        sha256=archived.sha256,
        created_at=now,
        created_by=operation.created_by,
        kept_until=until,
        reason=reason,
    )
    session.add(export)
    await session.flush()
    audit.record(session, WORKER, "export.made", at=now, tenant_id=tenant.id, export=str(export.id), kind=kind, sha256=archived.sha256)
    return export


async def find(session: AsyncSession, tenant: Tenant, export_id: UUID, *, lock: bool = False) -> TenantExport:
    """Raises UnknownExport, also for another tenant's."""
    export = await session.get(TenantExport, export_id, with_for_update=lock or None)
    if export is None or export.tenant_id != tenant.id:
        raise UnknownExport(export_id)
    return export


async def mail_link(session: AsyncSession, platform: Platform, tenant: Tenant, export: TenantExport, *, actor: Actor) -> datetime:
    """Mail the owner a new link; until when it can be used. Links mailed before stop working. Raises ExportGone."""
    if export.removed_at is not None:
        raise ExportGone(export.id, export.removed_at)
    now, token = platform.clock.now(), secrets.token_urlsafe(32)
    expires = now + LINK_LASTS
    await _end_links(session, export, at=now)
    digest = _digest(token)
    session.add(ExportLink(token_hash=digest, export_id=export.id, created_at=now, created_by=actor.label, expires_at=expires))
    clinic = parse((await revisions.desired(session, tenant)).document).clinic
    await outbox.send(
        session,
        key=f"export-link-{digest[:24]}",
        to=tenant.owner_email,
        template="export_ready",
        locale=clinic.locale,
        at=now,
        tenant_id=tenant.id,
        clinic=tenant.name,
        link=f"{platform.settings.public_url.rstrip('/')}/exports/{token}",
        until=expires.date(),
        sha256=export.sha256,
        signed_by=platform.key.public,
    )
    audit.record(session, actor, "export.link_mailed", at=now, tenant_id=tenant.id, export=str(export.id), expires=expires.isoformat())
    return expires


async def look_at_link(session: AsyncSession, token: str, *, at: datetime, lock: bool = False) -> tuple[ExportLink, TenantExport]:
    """What a link opens; looking uses nothing up, since mail scanners follow links too. Raises LinkUnknown."""
    link = await session.get(ExportLink, _digest(token), with_for_update=lock or None)
    if link is None or link.used_at is not None or link.expires_at <= at:
        raise LinkUnknown
    export = await session.get_one(TenantExport, link.export_id)
    if export.removed_at is not None:
        raise LinkUnknown
    return link, export


async def use_link(session: AsyncSession, token: str, *, at: datetime) -> TenantExport:
    """Take the link; of two at once one gets it. A download that breaks gives it back (`content`). Raises LinkUnknown."""
    link, export = await look_at_link(session, token, at=at, lock=True)
    link.used_at = at
    audit.record(
        session, Actor("owner", link.created_by), "export.download_begun", at=at, tenant_id=export.tenant_id, export=str(export.id)
    )
    return export


async def content(platform: Platform, export: TenantExport, token: str) -> AsyncGenerator[bytes, None]:
    """The archive itself, opened piece by piece; noted as downloaded once its end was handed over. Raises what vault and store raise.

    `token` was taken by `use_link`; whoever did not get to the end may use it again.
    """
    try:
        async with platform.database.transaction() as session:
            key = await platform.vault.tenant_key(session, export.tenant_id)
        async for piece in unseal(platform.objects.get(export.object_key), key, export.object_key):
            yield piece
    except BaseException:
        async with platform.database.transaction() as session:
            await session.execute(update(ExportLink).where(ExportLink.token_hash == _digest(token)).values(used_at=None))
        raise
    async with platform.database.transaction() as session:
        now = platform.clock.now()
        done = update(TenantExport).where(TenantExport.id == export.id, TenantExport.downloaded_at.is_(None)).values(downloaded_at=now)
        await session.execute(done)
        audit.record(session, WORKER, "export.downloaded", at=now, tenant_id=export.tenant_id, export=str(export.id))


async def remove(session: AsyncSession, platform: Platform, export: TenantExport, *, actor: Actor) -> None:
    """Take an export away before its time. Raises ExportKept for a last copy. `export` is locked."""
    if export.kind is ExportKind.FINAL and export.removed_at is None:
        raise ExportKept(export.id, export.reason)
    await take_away(session, platform, export, actor=actor)


async def take_away(session: AsyncSession, platform: Platform, export: TenantExport, *, actor: Actor) -> None:
    """Delete the object and end its links. Repeatable: the row says it is gone only once it is."""
    if export.removed_at is not None:
        return
    now = platform.clock.now()
    await platform.objects.delete(export.object_key)
    export.removed_at = now
    await _end_links(session, export, at=now)
    audit.record(session, actor, "export.removed", at=now, tenant_id=export.tenant_id, export=str(export.id), kind=export.kind)


async def _end_links(session: AsyncSession, export: TenantExport, *, at: datetime) -> None:
    live = update(ExportLink).where(ExportLink.export_id == export.id, ExportLink.used_at.is_(None), ExportLink.expires_at > at)
    await session.execute(live.values(expires_at=at))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

"""What time brings about: backups that are due, backups nothing asks for any more, copies whose days are over, and the nightly checks."""

import logging
from datetime import datetime, timedelta
from time import monotonic
from typing import Final
from uuid import UUID

from sqlalchemy import Select, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER
from control_plane.audit import service as audit
from control_plane.backups import making, service
from control_plane.backups.models import Backup, BackupCheck, BackupSchedule
from control_plane.backups.retaining import Kept, Scheme, scheme_of, superfluous
from control_plane.backups.states import BackupCause, BackupEvent, BackupState
from control_plane.backups.timing import RETRY
from control_plane.databases.base import DatabaseServerUnavailable
from control_plane.databases.contents import Contents
from control_plane.databases.names import beside
from control_plane.errors import DomainError, TemporaryError
from control_plane.law.judging import judge
from control_plane.operations import service as operations
from control_plane.operations.kinds import OperationKind
from control_plane.operations.models import Operation
from control_plane.operations.states import OPEN
from control_plane.operations.steps.base import Tools
from control_plane.platform import Platform
from control_plane.tenants.models import SOMEBODYS_OWN, Tenant
from control_plane.tenants.states import TenantState

CHECK: Final = "check"
CHECKS_KEPT: Final = timedelta(days=730)
SERVING: Final = (TenantState.ACTIVE, TenantState.DEGRADED)
_AT_ONCE: Final = 200
_NIGHT_BEGINS, _NIGHT_ENDS = 1, 6
"""Hours (UTC) between which backups are restored to see whether they can be."""

log = logging.getLogger(__name__)


async def begin_due(tools: Tools) -> None:
    """Start the backups that are due, so many at once that people's own requests find a free worker."""
    platform = tools.platform
    now = platform.clock.now()
    async with platform.database.transaction() as session:
        await _give_schedules(session, platform, at=now)
    async with platform.database.transaction() as session:
        under_way = await session.scalar(
            select(func.count()).select_from(Operation).where(Operation.kind == OperationKind.BACKUP, Operation.state.in_(OPEN))
        )
        free = platform.settings.backups_at_once - (under_way or 0)
        busy = select(Operation.id).where(Operation.tenant_id == Tenant.id, Operation.state.in_(OPEN)).exists()
        due = (
            select(Tenant.id)
            .join(BackupSchedule, BackupSchedule.tenant_id == Tenant.id)
            .where(BackupSchedule.due_at <= now, Tenant.state.in_(SERVING), ~busy)
            .order_by(BackupSchedule.due_at)
            .limit(max(0, free))
        )
        found = list(await session.scalars(due))
    for tenant_id in found:
        async with platform.database.transaction() as session:
            tenant = await session.get_one(Tenant, tenant_id, with_for_update=True, populate_existing=True)
            if tenant.state not in SERVING or await operations.open_operations(session, tenant.id):
                continue
            row = await session.get_one(BackupSchedule, tenant_id, with_for_update=True)
            # Until it is made; one that fails is tried again soon.
            row.due_at = now + RETRY
            await service.take(session, platform, tenant, actor=WORKER, cause=BackupCause.SCHEDULED)


async def _give_schedules(session: AsyncSession, platform: Platform, *, at: datetime) -> None:
    """New tenants get their own time. Copies and demonstrations are not backed up."""
    known = select(BackupSchedule.tenant_id).where(BackupSchedule.tenant_id == Tenant.id).exists()
    new = select(Tenant).where(Tenant.state.in_(SERVING), *SOMEBODYS_OWN, ~known).order_by(Tenant.id).limit(_AT_ONCE)
    for tenant in await session.scalars(new):
        await service.schedule_of(session, platform, tenant, at=at)


async def tidy(tools: Tools) -> None:
    """Fail what was never finished, mark what nothing asks for any more, and remove what is marked. Then end copies whose days are over."""
    await _fail_abandoned(tools.platform)
    after = UUID(int=0)
    while (last := await _mark(tools.platform, after)) is not None:
        after = last
    await _remove_marked(tools.platform)
    await _end_copies(tools.platform)
    async with tools.platform.database.transaction() as session:
        await session.execute(delete(BackupCheck).where(BackupCheck.at < tools.platform.clock.now() - CHECKS_KEPT))


async def _fail_abandoned(platform: Platform) -> None:
    over = select(Backup.id).join(Operation, Operation.id == Backup.operation_id)
    over = over.where(Backup.state == BackupState.MAKING, Operation.state.not_in(OPEN)).limit(_AT_ONCE)
    async with platform.database.transaction() as session:
        found = list(await session.scalars(over))
    for backup_id in found:
        async with platform.database.transaction() as session:
            row = await session.get_one(Backup, backup_id, with_for_update=True, populate_existing=True)
            operation = await session.get_one(Operation, row.operation_id, with_for_update=True, populate_existing=True)
            if row.state is not BackupState.MAKING or operation.state in OPEN:
                continue
            await _remove_objects(platform, row)
            reason = operation.because.reason if operation.because is not None else "its operation ended before it was made"
            row.move(BackupEvent.GIVEN_UP, at=platform.clock.now(), reason=reason)


async def _mark(platform: Platform, after: UUID) -> UUID | None:
    """Mark for deletion what the scheme does not keep, of the next tenants; the last of them, None at the end."""
    now = platform.clock.now()
    async with platform.database.transaction() as session:
        some = select(Backup.tenant_id).where(Backup.state == BackupState.READY, Backup.tenant_id > after).distinct()
        page = list(await session.scalars(some.order_by(Backup.tenant_id).limit(_AT_ONCE)))
        ready = select(Backup).where(Backup.tenant_id.in_(page), Backup.state == BackupState.READY).with_for_update(skip_locked=True)
        by_tenant: dict[UUID, dict[UUID, Backup]] = {tenant_id: {} for tenant_id in page}
        for row in await session.scalars(ready):
            by_tenant[row.tenant_id][row.id] = row
        for tenant in await session.scalars(select(Tenant).where(Tenant.id.in_(page))):
            rows = by_tenant[tenant.id]
            kept = [Kept(row.id, row.taken_at, row.keep_until) for row in rows.values() if row.taken_at is not None]
            used = await _used(session, tenant.id)
            for backup_id in await _over(session, platform, tenant, kept, now):
                if backup_id not in used:
                    rows[backup_id].move(BackupEvent.RETAINED_LONG_ENOUGH, at=now, reason="no longer kept by the scheme")
    return page[-1] if page else None


async def _over(session: AsyncSession, platform: Platform, tenant: Tenant, kept: list[Kept], now: datetime) -> list[UUID]:
    if tenant.state is TenantState.DELETED:
        # Only what the law or somebody asks to keep outlasts its clinic.
        today = platform.clock.today()
        return [one.id for one in kept if one.keep_until is None or one.keep_until < today]
    try:
        scheme = scheme_of((await judge(session, platform, tenant)).requirements)
    except DomainError:
        # Its facts contradict the law of today, which is a person's to mend; nothing more is kept for it meanwhile.
        scheme = Scheme()
    return superfluous(kept, scheme, zone=await service.zone_of(session, tenant), now=now)


async def _used(session: AsyncSession, tenant_id: UUID) -> frozenset[UUID]:
    """Backups that operations under way were told to use, of this tenant or as copies of it."""
    copies = select(Tenant.id).where(Tenant.copy_of == tenant_id)
    mine = select(Operation).where((Operation.tenant_id == tenant_id) | Operation.tenant_id.in_(copies), Operation.state.in_(OPEN))
    named = [one.params.get("backup") or one.result.get("backup") for one in await session.scalars(mine)]
    return frozenset(UUID(name) for name in named if name)


async def _remove_marked(platform: Platform) -> None:
    async with platform.database.transaction() as session:
        found = list(await session.scalars(select(Backup.id).where(Backup.state == BackupState.DELETING)))
    for backup_id in found:
        async with platform.database.transaction() as session:
            row = await session.get_one(Backup, backup_id, with_for_update=True, populate_existing=True)
            if row.state is not BackupState.DELETING:
                continue
            await _remove_objects(platform, row)
            now = platform.clock.now()
            row.move(BackupEvent.REMOVED, at=now, reason=row.reason)
            audit.record(session, WORKER, "backup.deleted", at=now, tenant_id=row.tenant_id, backup=str(row.id), reason=row.reason)


async def _remove_objects(platform: Platform, row: Backup) -> None:
    for key in (row.database_key, row.files_key):
        await platform.objects.delete(key)


async def _end_copies(platform: Platform) -> None:
    """Delete copies whose last day is over."""
    gone = (TenantState.DELETING, TenantState.DELETED, TenantState.CLOSING)
    over = select(Tenant.id).where(Tenant.copy_until < platform.clock.today(), Tenant.state.not_in(gone)).limit(_AT_ONCE)
    async with platform.database.transaction() as session:
        found = list(await session.scalars(over))
    for tenant_id in found:
        async with platform.database.transaction() as session:
            tenant = await session.get_one(Tenant, tenant_id, with_for_update=True, populate_existing=True)
            if tenant.state in (*gone, TenantState.DELETE_FAILED):
                continue
            now = platform.clock.now()
            await operations.start(session, tenant, OperationKind.DELETE, actor=WORKER, at=now)
            audit.record(session, WORKER, "tenant.copy_over", at=now, tenant_id=tenant.id, slug=tenant.slug)


async def check_one(tools: Tools) -> None:
    """At night, restore one of the tenants' newest backups and compare it, until tonight's sample is through."""
    platform = tools.platform
    now = platform.clock.now()
    if not _NIGHT_BEGINS <= now.hour < _NIGHT_ENDS:
        return
    night = now.replace(hour=_NIGHT_BEGINS, minute=0, second=0, microsecond=0)
    async with platform.database.transaction() as session:
        done = await session.scalar(select(func.count()).select_from(BackupCheck).where(BackupCheck.at >= night))
        serving = await session.scalar(select(func.count()).select_from(Tenant).where(Tenant.state.in_(SERVING)))
        if (done or 0) >= sample_size(serving or 0, platform.settings.backup_checks):
            return
        backup = await session.scalar(_longest_unchecked(night))
        tenant = await session.get_one(Tenant, backup.tenant_id) if backup is not None else None
    if backup is not None and tenant is not None:
        await check(tools, tenant, backup)


def sample_size(tenants: int, at_least: int) -> int:
    """How many backups are restored a night: one in a hundred tenants, and not less than the setting."""
    return max(at_least, -(-tenants // 100))


def _longest_unchecked(night: datetime) -> Select[Backup]:
    """Of every serving tenant the newest backup; of those the one whose tenant was checked longest ago, or never."""
    newer = Backup.__table__.alias("newer")
    has_newer = select(newer.c.id).where(
        newer.c.tenant_id == Backup.tenant_id, newer.c.state == BackupState.READY, newer.c.taken_at > Backup.taken_at
    )
    of_tenant = Backup.__table__.alias("of_tenant")
    last = select(func.max(of_tenant.c.checked_at)).where(of_tenant.c.tenant_id == Backup.tenant_id).scalar_subquery()
    return (
        select(Backup)
        .join(Tenant, Tenant.id == Backup.tenant_id)
        .where(Backup.state == BackupState.READY, ~has_newer.exists())
        .where(Tenant.state.in_(SERVING), func.coalesce(last, night - timedelta(days=1)) < night)
        .order_by(last.nulls_first(), Backup.taken_at)
        .limit(1)
    )


async def check(tools: Tools, tenant: Tenant, backup: Backup) -> bool:
    """Restore the backup beside its tenant, compare it with what it was made of, drop it, and write down how it went.

    Raises TemporaryError where the database server or the object store is away, which says nothing about the backup.
    """
    platform = tools.platform
    databases = await platform.databases_for(tenant)
    database, began = beside(tenant.id, CHECK), monotonic()
    reason = None
    try:
        await making.load(platform, databases, backup, tenant.id, database)
    except DatabaseServerUnavailable as error:
        # A server that is away fails below as well; one that answers could not take this dump.
        reason = error.message
    except TemporaryError:
        raise
    except DomainError as error:
        reason = error.message
    finally:
        await databases.drop_beside(database)
    contents = Contents.from_json(backup.contents or {"tables": {}, "heads": []})
    now = platform.clock.now()
    async with platform.database.transaction() as session:
        row = await session.get_one(Backup, backup.id, with_for_update=True)
        row.checked_at, row.check_passed = now, reason is None
        session.add(
            BackupCheck(
                backup_id=backup.id,
                at=now,
                passed=reason is None,
                reason=reason,
                tables=len(contents.tables),
                rows=contents.rows,
                seconds=round(monotonic() - began, 3),
            )
        )
        action = "backup.checked" if reason is None else "backup.check_failed"
        audit.record(session, WORKER, action, at=now, tenant_id=tenant.id, backup=str(backup.id), reason=reason)
    if reason is not None:
        log.error("backup %s of tenant %s cannot be restored: %s", backup.id, tenant.id, reason)
    return reason is None

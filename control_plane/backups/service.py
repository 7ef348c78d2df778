"""Asking for backups, restores and copies. Everything is one transaction of the caller, who holds the tenant's row; the worker acts."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.audit import service as audit
from control_plane.backups.errors import BackupNotReady, CopyOfCopy, EveryHoursInvalid, NoBackup, UnknownBackup
from control_plane.backups.models import Backup, BackupSchedule
from control_plane.backups.states import BackupCause, BackupState
from control_plane.backups.timing import next_due
from control_plane.operations import service as operations
from control_plane.operations.kinds import KINDS, OperationKind
from control_plane.operations.models import Lease, Operation
from control_plane.platform import Platform
from control_plane.revisions import service as revisions
from control_plane.revisions.document import parse
from control_plane.tenants import service as tenants
from control_plane.tenants import slugs
from control_plane.tenants.errors import InvalidSlug, SlugTaken
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState

HOURS: Final = (1, 2, 3, 4, 6, 8, 12, 24)
LONGEST_COPY: Final = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class CopyWanted:
    slug: str | None
    days: int
    backup_id: UUID | None
    """None: the newest."""


async def find(session: AsyncSession, tenant: Tenant, backup_id: UUID) -> Backup:
    """Raises UnknownBackup, also for another tenant's."""
    backup = await session.get(Backup, backup_id)
    if backup is None or backup.tenant_id != tenant.id:
        raise UnknownBackup(backup_id)
    return backup


async def ready(session: AsyncSession, tenant: Tenant, backup_id: UUID | None) -> Backup:
    """This backup, or the newest, to be restored. Raises UnknownBackup, BackupNotReady, NoBackup."""
    if backup_id is None:
        backup = await newest(session, tenant.id)
        if backup is None:
            raise NoBackup(tenant.slug)
        return backup
    backup = await find(session, tenant, backup_id)
    if backup.state is not BackupState.READY:
        raise BackupNotReady(backup.id, backup.state)
    return backup


async def newest(session: AsyncSession, tenant_id: UUID) -> Backup | None:
    """The tenant's newest backup that can be restored."""
    query = select(Backup).where(Backup.tenant_id == tenant_id, Backup.state == BackupState.READY)
    return await session.scalar(query.order_by(Backup.taken_at.desc()).limit(1))


async def take(
    session: AsyncSession, platform: Platform, tenant: Tenant, *, actor: Actor, cause: BackupCause = BackupCause.ASKED
) -> Operation:
    """Begin a backup beside whatever the tenant does. Raises TenantGoing."""
    tenants.refuse_going(tenant)
    now = platform.clock.now()
    operation = await operations.start(session, tenant, OperationKind.BACKUP, actor=actor, at=now, params={"cause": cause.value})
    if cause is not BackupCause.SCHEDULED:
        audit.record(session, actor, "backup.asked", at=now, tenant_id=tenant.id, operation=str(operation.id))
    return operation


async def restore(session: AsyncSession, platform: Platform, tenant: Tenant, backup_id: UUID, *, actor: Actor) -> Operation:
    """Begin to put the backup's data in the place of the tenant's own, whose state is backed up before.

    Raises UnknownBackup, BackupNotReady, TenantGoing, TenantBusy, IllegalTransition.
    """
    tenants.refuse_going(tenant)
    await operations.refuse_busy(session, tenant)
    backup = await ready(session, tenant, backup_id)
    now = platform.clock.now()
    operation = await operations.start(session, tenant, OperationKind.RESTORE, actor=actor, at=now, params={"backup": str(backup.id)})
    audit.record(session, actor, "backup.restore_asked", at=now, tenant_id=tenant.id, backup=str(backup.id), operation=str(operation.id))
    return operation


async def copy(session: AsyncSession, platform: Platform, tenant: Tenant, wanted: CopyWanted, *, actor: Actor) -> tuple[Tenant, Operation]:
    """A tenant of its own beside this one, made from its backup: it can send nothing to anybody, and is deleted after its days.

    It runs what the tenant is to run, with the modules of the backup. Raises CopyOfCopy, UnknownBackup, BackupNotReady, NoBackup,
    InvalidSlug, SlugTaken.
    """
    if not tenant.somebodys_own:
        raise CopyOfCopy(tenant.slug)
    backup = await ready(session, tenant, wanted.backup_id)
    now = platform.clock.now()
    desired = await revisions.desired(session, tenant)
    made = Tenant(
        id=uuid4(),
        name=f"{tenant.name[:190]} (copy)",
        country=tenant.country,
        territory=tenant.territory,
        legal_form=tenant.legal_form,
        tax_id=tenant.tax_id,
        facts=dict(tenant.facts),
        owner_email=tenant.owner_email,
        chosen=list(backup.chosen),
        region=tenant.region,
        database_server=tenant.database_server,
        channel=tenant.channel,
        pinned_release=desired.release_id,
        copy_of=tenant.id,
        copy_taken_at=backup.taken_at,
        copy_until=platform.clock.today() + timedelta(days=wanted.days),
        state=TenantState.PROVISIONING,
        state_since=now,
        state_deadline=now + KINDS[OperationKind.CLONE].deadline,
        # The runtime adopts later generations than those in the data only.
        generation=backup.generation,
        invitation_serial=tenant.invitation_serial,
        created_at=now,
    )
    await _insert(session, made, wanted.slug, tenant.slug)
    proposal = await revisions.propose(session, platform, made, frozenset(backup.chosen), release=desired.release_id)
    session.add(Lease(tenant_id=made.id, fence=0, reconcile_at=now))
    revision = revisions.record(session, made, proposal.content, actor=actor, at=now)
    operation = await operations.start(
        session, made, OperationKind.CLONE, actor=actor, at=now, generation=revision.generation, params={"backup": str(backup.id)}
    )
    audit.record(session, actor, "tenant.copied", at=now, tenant_id=tenant.id, backup=str(backup.id), copy=made.slug)
    audit.record(session, actor, "tenant.created", at=now, tenant_id=made.id, slug=made.slug, copy_of=tenant.slug, effect=revision.effect)
    return made, operation


async def _insert(session: AsyncSession, made: Tenant, asked: str | None, of: str) -> None:
    if asked is not None:
        if why := slugs.why_invalid(asked):
            raise InvalidSlug(asked, why, slugs.slug_of(asked))
        if not await tenants.insert(session, made, asked):
            raise SlugTaken(asked)
        return
    for slug in slugs.candidates(f"{of[:32]}-copy"):
        if await tenants.insert(session, made, slug):
            return
    raise SlugTaken(f"{of}-copy")


async def schedule(session: AsyncSession, platform: Platform, tenant: Tenant, every_hours: int, *, actor: Actor) -> BackupSchedule:
    """How often the tenant is backed up from now on. Raises EveryHoursInvalid, CopyOfCopy, TenantGoing."""
    tenants.refuse_going(tenant)
    if tenant.copy_of is not None:
        raise CopyOfCopy(tenant.slug)
    if every_hours not in HOURS:
        raise EveryHoursInvalid(every_hours)
    now = platform.clock.now()
    row = await schedule_of(session, platform, tenant, at=now)
    if row.every_hours != every_hours:
        audit.record(session, actor, "backup.schedule_changed", at=now, tenant_id=tenant.id, before=row.every_hours, after=every_hours)
        row.every_hours = every_hours
        row.due_at = next_due(tenant.id, await zone_of(session, tenant), now, every_hours)
    return row


async def schedule_of(session: AsyncSession, platform: Platform, tenant: Tenant, *, at: datetime) -> BackupSchedule:
    """The tenant's schedule, begun now where it has none."""
    row = await session.get(BackupSchedule, tenant.id, with_for_update=True)
    if row is None:
        every_hours = platform.settings.backup_every_hours
        row = BackupSchedule(
            tenant_id=tenant.id, every_hours=every_hours, due_at=next_due(tenant.id, await zone_of(session, tenant), at, every_hours)
        )
        session.add(row)
        await session.flush()
    return row


async def zone_of(session: AsyncSession, tenant: Tenant) -> str:
    """The time zone of the tenant's clinic."""
    return parse((await revisions.desired(session, tenant)).document).clinic.timezone

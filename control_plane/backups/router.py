"""Backups of one tenant under /v1/tenants/{slug}/backups, and the nightly checks of them all under /v1/backup-checks."""

from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse
from sqlalchemy import select

from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.audit import service as audit
from control_plane.backups import service
from control_plane.backups.models import Backup, BackupCheck
from control_plane.backups.schemas import (
    BackupList,
    BackupOut,
    CheckList,
    CheckOut,
    CopyOut,
    CopyRequest,
    ScheduleOut,
    ScheduleRequest,
)
from control_plane.backups.service import CopyWanted
from control_plane.backups.states import BackupState
from control_plane.operations.schemas import OperationOut
from control_plane.pagination import WantedPage, page
from control_plane.tenants.models import Tenant
from control_plane.tenants.router import KnownTenant, LockedTenant
from control_plane.tenants.schemas import TenantSummary

router = APIRouter(prefix="/tenants/{slug}", tags=["backups"], route_class=PlatformRoute)
checks = APIRouter(prefix="/backup-checks", tags=["backups"], route_class=PlatformRoute)

ENCRYPTED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/octet-stream": {}}, "description": "As it is stored: encrypted with the tenant's key."}
}


class BackupPart(StrEnum):
    DATABASE = "database"
    FILES = "files"


async def known_backup(backup_id: UUID, tenant: KnownTenant, session: Session) -> Backup:
    return await service.find(session, tenant, backup_id)


KnownBackup = Annotated[Backup, Depends(known_backup)]


@router.get("/backups", dependencies=[Requires("backups:read")])
async def list_backups(tenant: KnownTenant, session: Session, wanted: WantedPage, state: BackupState | None = None) -> BackupList:
    """The tenant's backups, the last one first; deleted ones stay in the list, with the reason."""
    query = select(Backup).where(Backup.tenant_id == tenant.id)
    if state is not None:
        query = query.where(Backup.state == state)
    found = await page(session, query, Backup.requested_at, Backup.id, wanted=wanted, descending=True)
    return BackupList(items=[BackupOut.of(row) for row in found.items], next=found.next)


@router.post("/backups", status_code=202, dependencies=[Requires("backups:write")])
async def take_backup(tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform) -> OperationOut:
    """Take a backup now, while the clinic goes on working. The operation's result names it."""
    return OperationOut.of(await service.take(session, platform, tenant, actor=actor), tenant.slug)


@router.get("/backups/{backup_id}", dependencies=[Requires("backups:read")])
async def get_backup(backup: KnownBackup) -> BackupOut:
    return BackupOut.of(backup)


@router.get("/backups/{backup_id}/{part}", response_class=StreamingResponse, responses=ENCRYPTED, dependencies=[Requires("backups:read")])
async def download_backup(
    backup: KnownBackup, part: BackupPart, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> StreamingResponse:
    """The backup's `database` or `files` as they are stored, never in plain: only this platform, with the tenant's key, opens them."""
    await service.ready(session, await session.get_one(Tenant, backup.tenant_id), backup.id)
    key = backup.database_key if part is BackupPart.DATABASE else backup.files_key
    stored = await platform.objects.stat(key)
    audit.record(session, actor, "backup.downloaded", at=platform.clock.now(), tenant_id=backup.tenant_id, backup=str(backup.id), part=part)
    headers = {"Content-Length": str(stored.size), "Content-Disposition": f'attachment; filename="{backup.id}.{part}.sealed"'}
    return StreamingResponse(platform.objects.get(key), media_type="application/octet-stream", headers=headers)


@router.post("/backups/{backup_id}/restore", status_code=202, dependencies=[Requires("backups:restore")])
async def restore_backup(
    backup_id: UUID, tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> OperationOut:
    """Put the backup's data in the place of the clinic's own, with the modules chosen then.

    The state before is backed up first, and put back by itself where the restored clinic does not come up.
    """
    return OperationOut.of(await service.restore(session, platform, tenant, backup_id, actor=actor), tenant.slug)


@router.post("/backups/{backup_id}/copy", status_code=202, dependencies=[Requires("backups:restore")])
async def copy_backup(
    backup_id: UUID, wanted: CopyRequest, tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> CopyOut:
    """Make a clinic of its own from the backup, which can send nothing to anybody and is deleted by itself after its days."""
    asked = CopyWanted(slug=wanted.slug, days=wanted.days, backup_id=backup_id)
    made, operation = await service.copy(session, platform, tenant, asked, actor=actor)
    assert made.copy_taken_at is not None
    assert made.copy_until is not None
    return CopyOut(
        tenant=TenantSummary.of(made),
        of=tenant.slug,
        taken_at=made.copy_taken_at,
        until=made.copy_until,
        operation=OperationOut.of(operation, made.slug),
    )


@router.get("/backup-schedule", dependencies=[Requires("backups:read")])
async def get_schedule(tenant: LockedTenant, session: Session, platform: ThisPlatform) -> ScheduleOut:
    return ScheduleOut.of(await service.schedule_of(session, platform, tenant, at=platform.clock.now()))


@router.put("/backup-schedule", dependencies=[Requires("backups:write")])
async def put_schedule(
    wanted: ScheduleRequest, tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> ScheduleOut:
    """How often the clinic is backed up: every so many hours, counted on its own clock."""
    return ScheduleOut.of(await service.schedule(session, platform, tenant, wanted.every_hours, actor=actor))


@checks.get("", dependencies=[Requires("backups:read")])
async def list_checks(session: Session, wanted: WantedPage, passed: bool | None = None) -> CheckList:
    """Backups that were restored to see whether they can be, the last one first."""
    query = select(BackupCheck)
    if passed is not None:
        query = query.where(BackupCheck.passed == passed)
    found = await page(session, query, BackupCheck.at, BackupCheck.id, wanted=wanted, descending=True)
    slugs = (
        select(Backup.id, Tenant.slug)
        .join(Tenant, Tenant.id == Backup.tenant_id)
        .where(Backup.id.in_([row.backup_id for row in found.items]))
    )
    known: dict[UUID, str] = {row.id: row.slug for row in await session.execute(slugs)}
    return CheckList(items=[CheckOut.of(row, known[row.backup_id]) for row in found.items], next=found.next)

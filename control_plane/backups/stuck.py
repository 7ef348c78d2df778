"""Backups that need somebody: never ended by the operation that made them, or found not to be restorable."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.backups.models import Backup
from control_plane.backups.states import BackupState
from control_plane.stuck.schemas import MOST, StuckOut, WayOut
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState
from dentalpin_kit.problems import ErrorClass

LONGEST: Final = timedelta(hours=3)
"""Every operation that makes one has ended by then, or was taken up again."""


async def stuck_backups(session: AsyncSession, at: datetime) -> list[StuckOut]:
    unended = and_(Backup.state == BackupState.MAKING, Backup.requested_at < at - LONGEST)
    useless = and_(Backup.state == BackupState.READY, Backup.check_passed.is_(False))
    query = (
        select(Backup, Tenant.slug)
        .join(Tenant, Tenant.id == Backup.tenant_id)
        .where(or_(unended, useless), Tenant.state != TenantState.DELETED)
        .order_by(Backup.requested_at, Backup.id)
        .limit(MOST)
    )
    return [_shown(backup, slug, at) for backup, slug in (await session.execute(query)).all()]


def _shown(backup: Backup, slug: str, at: datetime) -> StuckOut:
    making = backup.state is BackupState.MAKING
    since = backup.requested_at + LONGEST if making else backup.checked_at or at
    path = f"/v1/tenants/{slug}"
    again = WayOut(action="back up again", request=f"POST {path}/backups")
    return StuckOut(
        what="backup",
        id=str(backup.id),
        tenant=slug,
        state="making" if making else "not_restorable",
        since=since,
        age_seconds=(at - since).total_seconds(),
        deadline=None,
        reason=backup.reason or ("Its operation never ended it." if making else "It was restored to check it, and differed."),
        error_class=ErrorClass.US,
        ways_out=[again, WayOut(action="unstick", request=f"POST {path}/unstick")] if making else [again],
        runbook="backup-making.md" if making else "backup-not-restorable.md",
    )

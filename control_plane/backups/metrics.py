"""What a scrape reads of backups. Alerts on it are in docs/operators/backups.md."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.backups.models import Backup, BackupCheck
from control_plane.backups.states import BackupState
from control_plane.tenants.models import SOMEBODYS_OWN, Tenant
from control_plane.tenants.states import TenantState
from dentalpin_kit.metrics import Reading

_WITH_DATA = (TenantState.ACTIVE, TenantState.DEGRADED, TenantState.CHANGING, TenantState.RESTORING)


async def readings(session: AsyncSession, *, at: datetime) -> list[Reading]:
    """Numbers of backups, the age of the oldest newest one, and how the last checks went."""
    newest = (
        select(Backup.tenant_id, func.max(Backup.taken_at).label("taken_at"))
        .where(Backup.state == BackupState.READY)
        .group_by(Backup.tenant_id)
        .subquery()
    )
    # A tenant without any counts from its first day.
    oldest = await session.scalar(
        select(func.min(func.coalesce(newest.c.taken_at, Tenant.created_at)))
        .select_from(Tenant)
        .join(newest, newest.c.tenant_id == Tenant.id, isouter=True)
        .where(Tenant.state.in_(_WITH_DATA), *SOMEBODYS_OWN)
    )
    states = (await session.execute(select(Backup.state, func.count()).group_by(Backup.state).order_by(Backup.state))).all()
    stored = await session.scalar(
        select(func.sum(Backup.database_bytes + func.coalesce(Backup.files_bytes, 0))).where(Backup.state == BackupState.READY)
    )
    failing = await session.scalar(
        select(func.count()).select_from(Backup).where(Backup.state == BackupState.READY, Backup.check_passed.is_(False))
    )
    checked = await session.scalar(select(func.max(BackupCheck.at)).where(BackupCheck.passed))
    since = (at - checked).total_seconds() if checked is not None else -1.0
    age = max(0.0, (at - oldest).total_seconds()) if oldest is not None else 0.0
    by_state = tuple(((str(state),), float(count)) for state, count in states)
    return [
        Reading("dentalpin_platform_backups", "Backups by state.", ("state",), by_state),
        Reading("dentalpin_platform_backup_bytes", "What backups that are ready hold, before encryption.", (), (((), float(stored or 0)),)),
        Reading(
            "dentalpin_platform_backup_oldest_seconds",
            "Age of the newest backup of the tenant whose newest backup is the oldest.",
            (),
            (((), age),),
        ),
        Reading(
            "dentalpin_platform_backups_not_restorable",
            "Ready backups that were found not to be restorable.",
            (),
            (((), float(failing or 0)),),
        ),
        Reading("dentalpin_platform_backup_check_seconds", "Since a backup was last restored to check it; -1: never.", (), (((), since),)),
    ]

"""Archiving a clinic that is not paid for: the backup it leaves is restored and compared before anything is stopped."""

from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.backups import passes
from control_plane.backups.errors import BackupUnverified
from control_plane.backups.models import Backup
from control_plane.exit import deletions
from control_plane.operations.kinds import StepName
from control_plane.operations.models import Operation
from control_plane.operations.steps.base import Outcome, Step, Tools, Work
from control_plane.standing.models import PaymentStanding
from control_plane.tenants.models import Tenant


async def verify(work: Work, tools: Tools) -> Outcome:
    """Raises BackupUnverified; the clinic goes on serving then, and a person looks."""
    platform, backup_id = tools.platform, UUID(work.result["backup"])
    async with platform.database.transaction() as session:
        tenant = await session.get_one(Tenant, work.placement.tenant_id)
        backup = await session.get_one(Backup, backup_id)
    good = await passes.check(tools, tenant, backup)
    work.half_done()
    if not good:
        raise BackupUnverified(backup_id)

    async def write(session: AsyncSession, tenant: Tenant, operation: Operation) -> None:
        row = await session.get_one(Backup, backup_id, with_for_update=True)
        # Kept at least as long as the law asks; where no law fixes a day, until somebody says so.
        until, reason, _ = await deletions.last_copy_terms(session, platform, tenant)
        row.keep_until, row.keep_because = until or date.max, reason
        standing = await session.get(PaymentStanding, tenant.id, with_for_update=True)
        if standing is not None:
            standing.archive = backup_id

    return Outcome(result={"verified": str(backup_id)}, write=write)


STEPS: Final = {StepName.VERIFY: Step(verify)}

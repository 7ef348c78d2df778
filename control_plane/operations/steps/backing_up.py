"""Taking a backup of a clinic: on its schedule, because somebody asked, or before something that may go wrong."""

from datetime import UTC, timedelta
from functools import partial
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER
from control_plane.audit import service as audit
from control_plane.backups import making
from control_plane.backups.errors import NothingToBackUp
from control_plane.backups.models import Backup, BackupSchedule
from control_plane.backups.service import zone_of
from control_plane.backups.states import BackupCause, BackupEvent, BackupState
from control_plane.backups.timing import next_due
from control_plane.operations.kinds import OperationKind, StepName
from control_plane.operations.models import Operation
from control_plane.operations.steps.base import Outcome, Step, Tools, Work
from control_plane.revisions import service as revisions
from control_plane.tenants.models import Tenant

KEPT_BEFORE: Final = timedelta(days=30)
"""How long the state before an upgrade or a restore is kept, whatever the scheme says."""
_BECAUSE: Final = {BackupCause.BEFORE_UPGRADE: "the state before an upgrade", BackupCause.BEFORE_RESTORE: "the state before a restore"}
_CAUSES: Final = {
    OperationKind.UPGRADE: BackupCause.BEFORE_UPGRADE,
    OperationKind.RESTORE: BackupCause.BEFORE_RESTORE,
    OperationKind.ARCHIVE: BackupCause.ARCHIVE,
}


async def announce(session: AsyncSession, tenant: Tenant, operation: Operation) -> None:
    """Write the row before anything is stored, so that nothing in the object store is without one."""
    known = operation.result.get("backup")
    row = await session.get(Backup, UUID(known)) if known else None
    if row is not None and row.state is not BackupState.FAILED:
        return
    desired = await revisions.desired(session, tenant)
    requested_at = operation.step(StepName.BACKUP).started_at
    assert requested_at is not None
    cause = _CAUSES.get(operation.kind) or BackupCause(operation.params.get("cause", BackupCause.ASKED))
    row = Backup(
        id=uuid4(),
        tenant_id=tenant.id,
        operation_id=operation.id,
        cause=cause,
        generation=desired.generation,
        release_id=desired.release_id,
        chosen=list(tenant.chosen),
        requested_at=requested_at,
    )
    session.add(row)
    operation.result = {**operation.result, "backup": str(row.id)}


async def backup(work: Work, tools: Tools) -> Outcome:
    backup_id = UUID(work.result["backup"])
    made = await making.make(tools, work.placement.tenant_id, backup_id)
    work.half_done()
    if made is None:
        if work.kind is OperationKind.RESTORE:
            return Outcome(write=partial(_lost, backup_id))
        raise NothingToBackUp(work.placement.slug)
    now, today = tools.platform.clock.now(), tools.platform.clock.today()

    async def write(session: AsyncSession, tenant: Tenant, operation: Operation) -> None:
        row = await session.get_one(Backup, backup_id, with_for_update=True)
        if row.state is not BackupState.MAKING:
            return
        row.move(BackupEvent.MADE, at=now)
        # By the platform's clock, as everything that decides by time; the database server's may differ.
        row.taken_at, row.contents = min(made.taken_at.astimezone(UTC), now), made.contents.as_json()
        row.database_bytes, row.database_sha256 = made.database.size, made.database.sha256
        row.files_bytes, row.files_sha256 = made.files.size, made.files.sha256
        if (because := _BECAUSE.get(row.cause)) is not None:
            row.keep_until, row.keep_because = today + KEPT_BEFORE, because
        schedule = await session.get(BackupSchedule, tenant.id, with_for_update=True)
        if schedule is not None and row.cause is BackupCause.SCHEDULED:
            schedule.due_at = next_due(tenant.id, await zone_of(session, tenant), now, schedule.every_hours)
        audit.record(session, WORKER, "backup.made", at=now, tenant_id=tenant.id, backup=str(row.id), cause=row.cause)

    return Outcome(result={"bytes": made.database.size + made.files.size, "rows": made.contents.rows}, write=write)


async def _lost(backup_id: UUID, session: AsyncSession, tenant: Tenant, operation: Operation) -> None:
    """A clinic whose database is gone is restored all the same: there is no last state to keep, and none to go back to."""
    row = await session.get_one(Backup, backup_id, with_for_update=True)
    at = operation.step(StepName.BACKUP).finished_at
    assert at is not None
    row.move(BackupEvent.GIVEN_UP, at=at)
    operation.result = {name: value for name, value in operation.result.items() if name != "backup"}
    audit.record(session, WORKER, "tenant.database_lost", at=at, tenant_id=tenant.id)


STEPS: Final[dict[StepName, Step]] = {StepName.BACKUP: Step(backup, prepare=announce)}

"""Putting a backup's data into a clinic, or a copy of it, and putting back what was there.

A backup is loaded into a database of its own beside the clinic's and compared with what it was made of, while the clinic goes on serving;
only what is found to be the same takes the clinic's place, by renaming.
"""

from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER
from control_plane.audit import service as audit
from control_plane.backups import making
from control_plane.backups.errors import NoBackup, RestoreDiffers
from control_plane.backups.models import Backup
from control_plane.backups.service import newest
from control_plane.databases.base import KnowsSchema
from control_plane.databases.names import beside
from control_plane.deployers.base import MakesRoom
from control_plane.operations.kinds import OperationKind, StepName
from control_plane.operations.models import Operation
from control_plane.operations.steps.base import Outcome, Step, Tools, Work
from control_plane.revisions import service as revisions
from control_plane.revisions.document import RevisionContent, parse
from control_plane.revisions.planner import Standing
from control_plane.tenants.models import Tenant

NEXT: Final = "next"
REHEARSAL: Final = "rehearsal"


async def scratch(work: Work, tools: Tools) -> Outcome:
    """Load the backup beside the clinic: what a restore puts in its place afterwards, and a rehearsal works on."""
    backup = await _asked(work, tools)
    if work.kind is OperationKind.RESTORE:
        # What cannot be run with this data is refused while the clinic serves.
        await _as_backed_up(work, tools, backup)
    database = beside(work.placement.tenant_id, REHEARSAL if work.kind is OperationKind.REHEARSE else NEXT)
    work.half_done()
    await _load(work, tools, backup, database)
    return Outcome(result={"scratch": database, "restored": str(backup.id)})


async def clear(work: Work, tools: Tools) -> Outcome:
    """Drop what a rehearsal worked on."""
    work.half_done()
    await tools.databases.drop_beside(beside(work.placement.tenant_id, REHEARSAL))
    return Outcome()


async def load(work: Work, tools: Tools) -> Outcome:
    """Put the backup's data in the clinic's place: its database, and its files. Nothing of the clinic runs."""
    tenant_id = work.placement.tenant_id
    backup = await _asked(work, tools)
    if work.kind is OperationKind.CLONE:
        if isinstance(tools.deployer, MakesRoom):
            await tools.deployer.make_room(work.placement, work.revision.document, tools.databases.address(tenant_id))
        await _load(work, tools, backup, beside(tenant_id, NEXT))
        await _put_in_place(work, tools, backup)
        return Outcome(result={"restored": str(backup.id)})
    content = await _as_backed_up(work, tools, backup)
    # Where machine or server were lost, the clinic's place and its roles' passwords were lost with them.
    verifiers = await tools.deployer.ensure_secrets(tenant_id, work.password_serial)
    await _put_in_place(work, tools, backup)
    await tools.databases.ensure(tenant_id, verifiers, work.password_serial)
    now = tools.platform.clock.now()

    async def write(session: AsyncSession, tenant: Tenant, operation: Operation) -> None:
        before = tenant.generation
        tenant.chosen = list(backup.chosen)
        _record(session, tenant, content, tools)
        operation.result = {**operation.result, "before": before}
        audit.record(session, WORKER, "tenant.restored", at=now, tenant_id=tenant.id, backup=str(backup.id))

    return Outcome(result={"restored": str(backup.id)}, write=write)


async def look_back(session: AsyncSession, tenant: Tenant, operation: Operation) -> None:
    """Whether anything was put in the place of the clinic's data, or a release may have changed it."""
    changing = StepName.LOAD if operation.kind is OperationKind.RESTORE else StepName.DEPLOY
    touched = any(step.name is changing and step.attempts for step in operation.steps)
    operation.result = {**operation.result, "undo": bool(touched and operation.result.get("backup"))}


async def undo_data(work: Work, tools: Tools) -> Outcome:
    """Put back the state that was backed up before; nothing where nothing was changed."""
    if not work.result["undo"]:
        work.half_done()
        return Outcome()
    await tools.deployer.stop(work.placement.tenant_id)
    if work.kind is OperationKind.UPGRADE and await _unchanged(work, tools):
        work.half_done()
        return Outcome(result={"put_back": None})
    async with tools.platform.database.transaction() as session:
        backup = await session.get_one(Backup, UUID(work.result["backup"]))
    await _load(work, tools, backup, beside(work.placement.tenant_id, NEXT))
    await _put_in_place(work, tools, backup)
    now = tools.platform.clock.now()

    async def write(session: AsyncSession, tenant: Tenant, operation: Operation) -> None:
        if (before := operation.result.get("before")) is not None and work.kind is OperationKind.RESTORE:
            # What the runtime had adopted since is gone with the data; going back is a new generation all the same.
            content = parse((await revisions.of_generation(session, tenant, before)).document)
            tenant.chosen = list(backup.chosen)
            _record(session, tenant, content, tools)
        audit.record(session, WORKER, "tenant.data_put_back", at=now, tenant_id=tenant.id, backup=str(backup.id))

    return Outcome(result={"put_back": str(backup.id)}, write=write)


async def _unchanged(work: Work, tools: Tools) -> bool:
    """Whether the release changed nothing: every migration was rolled back. Asked while nothing runs that could still begin one."""
    before = work.result.get("schema")
    if before is None or not isinstance(tools.databases, KnowsSchema):
        return False
    return bool(await tools.databases.schema(work.placement.tenant_id) == before)


async def _asked(work: Work, tools: Tools) -> Backup:
    """The backup that was named, else the tenant's newest. Raises NoBackup."""
    async with tools.platform.database.transaction() as session:
        if named := work.params.get("backup") or work.result.get("restored"):
            return await session.get_one(Backup, UUID(named))
        backup = await newest(session, work.placement.tenant_id)
    if backup is None:
        raise NoBackup(work.placement.slug)
    return backup


async def _load(work: Work, tools: Tools, backup: Backup, database: str) -> None:
    try:
        await making.load(tools.platform, tools.databases, backup, work.placement.tenant_id, database)
    except RestoreDiffers:
        await tools.databases.drop_beside(database)
        raise


async def _put_in_place(work: Work, tools: Tools, backup: Backup) -> None:
    tenant_id = work.placement.tenant_id
    await tools.databases.swap(tenant_id, beside(tenant_id, NEXT))
    work.half_done()
    await tools.deployer.replace_files(tenant_id, await making.files_of(tools.platform, backup))


async def _as_backed_up(work: Work, tools: Tools, backup: Backup) -> RevisionContent:
    """What the clinic shall run with this data: the modules it had chosen then, in the release it has now. Raises what planning raises."""
    async with tools.platform.database.transaction() as session:
        tenant = await session.get_one(Tenant, work.placement.tenant_id)
        release = (await revisions.desired(session, tenant)).release_id
        then = parse((await revisions.of_generation(session, tenant, backup.generation)).document)
        standing = Standing(frozenset(backup.chosen), frozenset(module.name for module in then.modules))
        proposal = await revisions.propose(session, tools.platform, tenant, frozenset(backup.chosen), standing, release=release)
        return proposal.content


def _record(session: AsyncSession, tenant: Tenant, content: RevisionContent, tools: Tools) -> None:
    renewed = content.model_copy(update={"generation": tenant.generation + 1})
    revisions.record(session, tenant, renewed, actor=WORKER, at=tools.platform.clock.now())


STEPS: Final[dict[StepName, Step]] = {
    StepName.SCRATCH: Step(scratch),
    StepName.CLEAR: Step(clear),
    StepName.LOAD: Step(load),
    StepName.UNDO_DATA: Step(undo_data, prepare=look_back),
}

"""Taking a clinic away: stop it, keep a last copy for as long as the law asks, drop its database, remove its place."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.exit import deletions, exports
from control_plane.exit.archiving import archive
from control_plane.exit.models import ExportKind
from control_plane.operations.kinds import StepName
from control_plane.operations.models import Operation
from control_plane.operations.steps.base import Outcome, Step, Tools, Work
from control_plane.tenants.models import Tenant


async def stop(work: Work, tools: Tools) -> Outcome:
    await tools.deployer.stop(work.placement.tenant_id)
    work.half_done()
    return Outcome()


async def dump(work: Work, tools: Tools) -> Outcome:
    """Keep everything in one sealed archive; where the runtime cannot write one, its database.

    Of a copy or a demonstration nothing is kept.
    """
    platform, tenant_id = tools.platform, work.placement.tenant_id
    async with platform.database.transaction() as session:
        tenant = await session.get_one(Tenant, tenant_id)
        if not tenant.somebodys_own:
            work.half_done()
            return Outcome(result={"final_dump": None})
        key = await platform.vault.tenant_key(session, tenant_id)
    stored = await archive(platform, tools.databases, work.placement, work.operation_id, key=key, half_done=work.half_done, or_dump=True)
    if stored is None:
        return Outcome(result={"final_dump": None})
    async with platform.database.transaction() as session:
        until, reason, law = await deletions.last_copy_terms(session, platform, await session.get_one(Tenant, tenant_id))
    facts = {
        "path": stored.object_key,
        "format": stored.format,
        "bytes": stored.bytes,
        "sha256": stored.sha256,
        "until": until.isoformat() if until else None,
        "reason": reason,
        "law": law,
    }

    async def write(session: AsyncSession, tenant: Tenant, operation: Operation) -> None:
        await exports.keep(session, platform, tenant, operation, stored, kind=ExportKind.FINAL, until=until, reason=reason)
        tenant.final_dump, tenant.final_dump_until, tenant.final_dump_reason = stored.object_key, until, reason

    return Outcome(result={"final_dump": facts}, write=write)


async def drop(work: Work, tools: Tools) -> Outcome:
    await tools.databases.drop(work.placement.tenant_id)
    work.half_done()
    return Outcome()


async def remove(work: Work, tools: Tools) -> Outcome:
    await tools.deployer.remove(work.placement.tenant_id)
    work.half_done()
    kept = work.result.get("final_dump")

    async def write(session: AsyncSession, tenant: Tenant, operation: Operation) -> None:
        if not tenant.somebodys_own:
            await tools.platform.vault.destroy_tenant_key(session, tenant.id)
        else:
            await deletions.tell_done(session, tools.platform, tenant, operation, law=kept["law"] if kept else None)

    return Outcome(write=write)


STEPS: Final = {
    StepName.STOP: Step(stop),
    StepName.DUMP: Step(dump),
    StepName.DROP: Step(drop),
    StepName.REMOVE: Step(remove),
}

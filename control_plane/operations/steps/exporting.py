"""Packing everything a clinic has into one archive, for its owner to take along."""

from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER
from control_plane.exit import exports
from control_plane.exit.archiving import archive
from control_plane.exit.models import ExportKind
from control_plane.operations.kinds import StepName
from control_plane.operations.models import Operation
from control_plane.operations.steps.base import Outcome, Step, Tools, Work
from control_plane.tenants.models import Tenant


async def export(work: Work, tools: Tools) -> Outcome:
    platform = tools.platform
    async with platform.database.transaction() as session:
        key = await platform.vault.tenant_key(session, work.placement.tenant_id)
    stored = await archive(platform, tools.databases, work.placement, work.operation_id, key=key, half_done=work.half_done)
    assert stored is not None, "without a dump to fall back on there is an archive or an error"
    until = platform.clock.today() + timedelta(days=platform.settings.export_days)

    async def write(session: AsyncSession, tenant: Tenant, operation: Operation) -> None:
        reason = f"Asked for by {operation.created_by}; it can be downloaded for {platform.settings.export_days} days."
        made = await exports.keep(session, platform, tenant, operation, stored, kind=ExportKind.OWNER, until=until, reason=reason)
        await exports.mail_link(session, platform, tenant, made, actor=WORKER)

    facts = {"where": stored.object_key, "bytes": stored.bytes, "sha256": stored.sha256, "until": until.isoformat()}
    return Outcome(result={"export": facts}, write=write)


STEPS: Final = {StepName.EXPORT: Step(export)}

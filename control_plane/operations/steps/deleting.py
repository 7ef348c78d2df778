"""Taking a clinic away: stop it, keep a last dump, drop its database, remove its place."""

from datetime import timedelta
from typing import Final

from control_plane.operations.kinds import StepName
from control_plane.operations.steps.base import Outcome, Step, Tools, Work


async def stop(work: Work, tools: Tools) -> Outcome:
    await tools.deployer.stop(work.placement.tenant_id)
    work.half_done()
    return Outcome()


async def dump(work: Work, tools: Tools) -> Outcome:
    settings = tools.platform.settings
    name = f"{work.placement.slug}-{work.placement.tenant_id}.dump"
    made = await tools.databases.dump(work.placement.tenant_id, (settings.backups / name).absolute())
    work.half_done()
    if made is None:
        return Outcome(result={"final_dump": None})
    until = tools.platform.clock.today() + timedelta(days=settings.final_dump_days)
    facts = {"path": str(made.file), "bytes": made.size, "sha256": made.sha256, "until": until.isoformat()}
    return Outcome(result={"final_dump": facts}, final_dump=str(made.file), final_dump_until=until)


async def drop(work: Work, tools: Tools) -> Outcome:
    await tools.databases.drop(work.placement.tenant_id)
    work.half_done()
    return Outcome()


async def remove(work: Work, tools: Tools) -> Outcome:
    await tools.deployer.remove(work.placement.tenant_id)
    work.half_done()
    return Outcome()


STEPS: Final = {
    StepName.STOP: Step(stop),
    StepName.DUMP: Step(dump),
    StepName.DROP: Step(drop),
    StepName.REMOVE: Step(remove),
}

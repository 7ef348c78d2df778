"""Erasing what is kept of a deleted clinic, with a receipt per system."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.exit import erasing
from control_plane.operations.kinds import StepName
from control_plane.operations.models import Operation
from control_plane.operations.steps.base import Outcome, Step, Tools, Work
from control_plane.tenants.models import Tenant


async def erase(work: Work, tools: Tools) -> Outcome:
    await erasing.clear_outside(work, tools)

    async def write(session: AsyncSession, tenant: Tenant, operation: Operation) -> None:
        await erasing.write_receipts(session, tools.platform, tenant, operation)

    return Outcome(result={"erasure": work.params["erasure"]}, write=write)


STEPS: Final = {StepName.ERASE: Step(erase)}

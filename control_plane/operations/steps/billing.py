"""Telling the payment provider what is to be paid, and taking over what it says."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.billing import bringing, taking_over
from control_plane.billing.accounts import guard
from control_plane.operations.kinds import StepName
from control_plane.operations.models import Operation
from control_plane.operations.steps.base import Outcome, Step, Tools, Work
from control_plane.tenants.models import Tenant


async def sync(work: Work, tools: Tools) -> Outcome:
    platform = tools.platform
    async with platform.database.transaction() as session:
        wanted = await taking_over.wanted(session, platform, work.placement.tenant_id, operation_id=work.operation_id)
    if wanted is None:
        return Outcome()
    provider = platform.payments.get(wanted.provider)
    await guard(platform, wanted.provider)
    work.half_done()
    found = await bringing.bring_about(provider, wanted)

    async def write(session: AsyncSession, tenant: Tenant, operation: Operation) -> None:
        await taking_over.take_over(session, platform, tenant, wanted, found, at=platform.clock.now())

    return Outcome(write=write)


STEPS: Final = {StepName.SYNC: Step(sync)}

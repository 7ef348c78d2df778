"""Database passwords made anew while the clinic works: the next ones are let in beside the present, the runtime is handed over to them,
and only when nothing is connected by the earlier ones are those closed.

A tenant whose earlier passwords are not closed yet is not given a third pair: the two logins take turns, so the rotation goes on.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER
from control_plane.audit import service as audit
from control_plane.deployers.base import ObservationStatus
from control_plane.operations.kinds import StepName
from control_plane.operations.models import Operation
from control_plane.operations.steps.base import NotYet, Outcome, RuntimeNotAsAsked, Step, Tools, Work
from control_plane.tenants.models import Tenant

NEXT: Final = "next_passwords"
WAITED_SINCE: Final = "waited_since"
PATIENCE: Final = timedelta(minutes=30)
"""How long connections that signed in before are waited for: a runtime drains within five minutes, a dump takes longer."""
WATCH_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 0.5


async def choose(session: AsyncSession, tenant: Tenant, operation: Operation) -> None:
    """The serial after the present one; the present one itself where its rotation was left unfinished."""
    operation.result = {**operation.result, NEXT: tenant.password_serial + (1 if tenant.passwords_settled else 0)}


async def new_passwords(work: Work, tools: Tools) -> Outcome:
    tenant_id, serial = work.placement.tenant_id, work.result[NEXT]
    verifiers = await tools.deployer.ensure_secrets(tenant_id, serial)
    work.half_done()
    await tools.databases.ensure(tenant_id, verifiers, serial)

    async def write(session: AsyncSession, tenant: Tenant, operation: Operation) -> None:
        # From here whoever deploys hands the runtime over; both pairs let it in.
        tenant.password_serial, tenant.passwords_settled = serial, False

    return Outcome(write=write)


async def remember_when(session: AsyncSession, tenant: Tenant, operation: Operation) -> None:
    since = operation.step(StepName.CLOSE_LOGINS).started_at
    assert since is not None
    operation.result = {**operation.result, WAITED_SINCE: since.isoformat()}


async def close_logins(work: Work, tools: Tools) -> Outcome:
    """Raises NotYet while connections of before are waited for; after PATIENCE they are ended, if the later passwords are in use at all."""
    tenant_id, serial, clock = work.placement.tenant_id, work.password_serial, tools.platform.clock
    observation = await tools.deployer.observe(tenant_id)
    if observation.status is ObservationStatus.FAILED:
        # The process of before may go on serving, and prove the same revision; it would be shut out.
        raise RuntimeNotAsAsked(f"The runtime does not start with the later passwords: {observation.reason}", observation)
    until = datetime.fromisoformat(work.result[WAITED_SINCE]) + PATIENCE
    loop = asyncio.get_running_loop()
    end = loop.time() + WATCH_SECONDS
    while left := await tools.databases.sessions(tenant_id, serial):
        if clock.now() >= until and await tools.databases.sessions(tenant_id, serial + 1):
            break
        if loop.time() >= end:
            raise NotYet(
                f"{left} connections still use the earlier passwords. They are waited for until {until:%H:%M} UTC, then ended once the "
                "runtime is connected by the later ones."
            )
        await asyncio.sleep(_LOOK_SECONDS)
    await tools.databases.close_logins(tenant_id, serial)
    work.half_done()
    await tools.deployer.forget_secrets(tenant_id, keep=serial)
    now = clock.now()

    async def write(session: AsyncSession, tenant: Tenant, operation: Operation) -> None:
        tenant.passwords_settled, tenant.passwords_since = True, now
        audit.record(session, WORKER, "tenant.passwords_rotated", at=now, tenant_id=tenant.id, serial=serial, ended=left)

    return Outcome(result={"ended_connections": left}, write=write)


STEPS: Final[dict[StepName, Step]] = {
    StepName.NEW_PASSWORDS: Step(new_passwords, prepare=choose),
    StepName.CLOSE_LOGINS: Step(close_logins, prepare=remember_when),
}

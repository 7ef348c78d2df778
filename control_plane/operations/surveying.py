"""The pass that looks at the whole fleet at once: one question to the deployer, one to the database, and nothing written where they agree.

A tenant whose deployer sees something else than was last observed, or that does not run what is desired, is compared by itself right
away (control_plane.operations.reconciling); every other one only now and then.
"""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.deployers.base import Glimpse, ObservationStatus
from control_plane.operations.models import Lease, Operation
from control_plane.operations.states import OPEN
from control_plane.operations.steps import Tools
from control_plane.revisions.models import Revision
from control_plane.tenants.models import ObservedTenant as Seen
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState

AT_ONCE: Final = 2000
_NOTHING: Final = Glimpse(ObservationStatus.ABSENT)


async def survey(tools: Tools) -> None:
    """Have tenants that differ compared now. Raises DeployerUnavailable: then nothing is known, and nothing is done."""
    platform = tools.platform
    seen = await tools.deployer.survey()
    async with platform.database.transaction() as session:
        differing = await _differing(session, seen)
        if differing:
            now = platform.clock.now()
            sooner = update(Lease).where(Lease.tenant_id.in_(differing), Lease.reconcile_at > now)
            await session.execute(sooner.values(reconcile_at=now))


async def _differing(session: AsyncSession, seen: Mapping[UUID, Glimpse]) -> list[UUID]:
    worked_on = select(Operation.tenant_id).where(Operation.state.in_(OPEN))
    query = (
        select(Tenant.id, Tenant.state, Revision.effect, Seen.status, Seen.generation, Seen.effect.label("proved"))
        .join(Revision, (Revision.tenant_id == Tenant.id) & (Revision.generation == Tenant.generation))
        .outerjoin(Seen, Seen.tenant_id == Tenant.id)
        .where(Tenant.state.in_([TenantState.ACTIVE, TenantState.DEGRADED]), Tenant.id.not_in(worked_on))
    )
    found = []
    async for tenant_id, state, desired, status, generation, proved in await session.stream(query.execution_options(yield_per=AT_ONCE)):
        glimpse = seen.get(tenant_id, _NOTHING)
        # A degraded one may come round at any moment without the deployer seeing it.
        if state is TenantState.DEGRADED or differs(glimpse, desired=desired, status=status, generation=generation, proved=proved):
            found.append(tenant_id)
    return found


def differs(glimpse: Glimpse, *, desired: str, status: str | None, generation: int | None, proved: str | None) -> bool:
    """Whether what the deployer sees is not what was last observed, or what was observed is not what is desired. Pure."""
    return glimpse.status != status or proved != desired or (glimpse.generation is not None and glimpse.generation != generation)

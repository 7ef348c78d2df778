"""What differs between desired and last seen, clinic by clinic. Only looks: operations/reconciling.py puts it right."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.deployers.base import Attestation, Observation, ObservationStatus
from control_plane.operations import service as operations
from control_plane.operations.models import Operation
from control_plane.operations.observing import judge
from control_plane.revisions.models import Revision
from control_plane.tenants.models import ObservedTenant, Tenant
from control_plane.tenants.states import TenantState

AT_REST = (TenantState.ACTIVE, TenantState.DEGRADED)
"""Whoever is under way differs by intention."""


@dataclass(frozen=True, slots=True)
class Drifted:
    tenant: Tenant
    seen: ObservedTenant
    what: tuple[str, ...]
    mending: Operation | None
    """The operation that puts it right; None where the next comparison begins one, or where a person has to."""


async def drifted(session: AsyncSession, *, after: str = "", limit: int = 100) -> list[Drifted]:
    """Clinics at rest that do not run what they should, by slug, at most `limit` of them."""
    query = (
        select(Tenant, ObservedTenant, Revision)
        .join(ObservedTenant, ObservedTenant.tenant_id == Tenant.id)
        .join(Revision, (Revision.tenant_id == Tenant.id) & (Revision.generation == Tenant.generation))
        .where(Tenant.state.in_(AT_REST), Tenant.slug > after)
        .order_by(Tenant.slug)
    )
    found: list[Drifted] = []
    for tenant, seen, revision in await session.execute(query):
        if what := tuple(differences(seen, revision)):
            mending = await operations.open_operations(session, tenant.id)
            found.append(Drifted(tenant, seen, what, mending[0] if mending else None))
            if len(found) == limit:
                break
    return found


def differences(seen: ObservedTenant, revision: Revision) -> Iterable[str]:
    """In words. A runtime that sleeps, or runs an older revision with the same effect, has not drifted. Pure."""
    if seen.status in (ObservationStatus.FAILED, ObservationStatus.ABSENT):
        yield seen.reason or f"its runtime is {seen.status}"
        return
    if seen.attestation is None or seen.effect is None:
        return
    proof = Attestation.model_validate(seen.attestation)
    if seen.effect != revision.effect:
        yield f"it proved generation {proof.generation}, and {revision.generation} with another effect is desired"
        return
    as_desired = proof.model_copy(update={"generation": revision.generation, "identity": revision.identity})
    verdict = judge(Observation(ObservationStatus.ATTESTED, as_desired, revision.generation), revision)
    if not verdict.done:
        yield verdict.reason

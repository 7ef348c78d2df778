"""A runtime that is ahead of its rows: the platform's own database was put back to an earlier moment.

What the clinic runs was asked for by somebody, in rows that are gone: it is taken over as a generation above the runtime's own, since no
runtime goes back to an older one. Nothing is removed from a clinic because the platform forgot about it.
"""

from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER
from control_plane.audit import service as audit
from control_plane.deployers.base import Attestation, Observation
from control_plane.operations import service
from control_plane.operations.kinds import OperationKind
from control_plane.platform import Platform
from control_plane.releases.models import Release
from control_plane.revisions import service as revisions
from control_plane.revisions.document import parse
from control_plane.revisions.planner import Standing
from control_plane.tenants.models import Tenant

_THERE: Final = frozenset({"installed", "disabled", "to_upgrade"})


def is_ahead(observation: Observation, tenant: Tenant) -> bool:
    return _generation(observation) > tenant.generation


def _generation(observation: Observation) -> int:
    proof = observation.attestation
    return max(observation.generation or 0, proof.generation if proof is not None else 0)


async def catch_up(session: AsyncSession, platform: Platform, tenant: Tenant, observation: Observation, *, at: datetime) -> None:
    """Record what the runtime proves to run, above its generation, and have it deployed. Raises what planning raises.

    The caller holds the tenant's row, and has an attestation.
    """
    proof = observation.attestation
    assert proof is not None
    desired = await revisions.desired(session, tenant)
    there = frozenset(module.name for module in proof.modules if module.state in _THERE)
    taken_over = there - {module.name for module in parse(desired.document).modules}
    chosen = frozenset(tenant.chosen) | taken_over
    release = await _release(session, proof)
    proposal = await revisions.propose(
        session, platform, tenant, chosen, Standing(chosen, there), release=release, same_release=not release
    )
    before = tenant.generation
    tenant.chosen = sorted(chosen)
    revision = revisions.record(
        session, tenant, proposal.content.model_copy(update={"generation": _generation(observation) + 1}), actor=WORKER, at=at
    )
    audit.record(
        session,
        WORKER,
        "tenant.caught_up",
        at=at,
        tenant_id=tenant.id,
        known=before,
        found=revision.generation - 1,
        modules=sorted(taken_over),
    )
    await service.start(session, tenant, OperationKind.CHANGE_MODULES, actor=WORKER, at=at, generation=tenant.generation)


async def _release(session: AsyncSession, proof: Attestation) -> str | None:
    """The one the runtime runs, where the platform knows it and it is still found somewhere."""
    row = await session.get(Release, proof.release_id) if proof.release_id is not None else None
    return row.id if row is not None and row.environment is not None else None

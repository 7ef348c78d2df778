"""Beginning a member's work: the revision and the operation, in the caller's transaction, as for any other change of a tenant."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.audit import service as audit
from control_plane.campaigns.change import Change
from control_plane.campaigns.models import Campaign
from control_plane.operations import service as operations
from control_plane.operations.kinds import OperationKind
from control_plane.operations.models import Operation
from control_plane.platform import Platform
from control_plane.revisions import service as revisions
from control_plane.tenants import service as tenants
from control_plane.tenants.models import Tenant


@dataclass(frozen=True)
class Begun:
    """The operation that brings it about; None where nothing has to be done."""

    operation: Operation | None


async def begin(session: AsyncSession, platform: Platform, campaign: Campaign, tenant: Tenant, *, actor: Actor, at: datetime) -> Begun:
    """Record what the tenant is to run and start the operation. `tenant` is locked. Raises what planning raises."""
    if campaign.change is Change.REPLAN:
        started = await tenants.change_modules(session, platform, tenant, frozenset(tenant.chosen), actor=actor)
        return Begun(started.operation)
    assert campaign.release_id is not None
    if (await revisions.desired(session, tenant)).release_id == campaign.release_id:
        return Begun(None)
    standing = await revisions.standing_of(session, tenant)
    proposal = await revisions.propose(session, platform, tenant, frozenset(tenant.chosen), standing, release=campaign.release_id)
    revision = revisions.record(session, tenant, proposal.content, actor=actor, at=at)
    audit.record(session, actor, "tenant.upgrade_begun", at=at, tenant_id=tenant.id, release=campaign.release_id, effect=revision.effect)
    operation = await operations.start(
        session,
        tenant,
        OperationKind.UPGRADE,
        actor=actor,
        at=at,
        generation=revision.generation,
        params={"release": campaign.release_id, "campaign": str(campaign.id)},
    )
    return Begun(operation)

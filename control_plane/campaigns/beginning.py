"""Beginning a member's work: the same operation as anybody would ask for, in the caller's transaction."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.campaigns.change import Change
from control_plane.campaigns.models import Campaign
from control_plane.law.applying import apply_law
from control_plane.operations.models import Operation
from control_plane.platform import Platform
from control_plane.tenants import service as tenants
from control_plane.tenants.models import Tenant
from control_plane.upgrades import service as upgrades


@dataclass(frozen=True)
class Begun:
    """The operation that brings it about; None where nothing has to be done."""

    operation: Operation | None


async def begin(session: AsyncSession, platform: Platform, campaign: Campaign, tenant: Tenant, *, actor: Actor) -> Begun:
    """Ask for what the campaign brings. `tenant` is locked. Raises what planning raises."""
    if campaign.change is Change.LAW:
        applied = await apply_law(
            session, platform, tenant, actor=actor, law=await platform.shelf.current(session), why="a change of law was published"
        )
        if applied.problem is not None:
            raise applied.problem
        return Begun(applied.operation)
    if campaign.change is Change.REPLAN:
        started = await tenants.change_modules(session, platform, tenant, frozenset(tenant.chosen), actor=actor)
        return Begun(started.operation)
    # The operator who made the campaign chose the release: channels and ages are for tenants that follow by themselves.
    about = {"campaign": str(campaign.id)}
    return Begun(await upgrades.upgrade(session, platform, tenant, campaign.release_id, actor=actor, override=True, params=about))

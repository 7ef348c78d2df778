"""Desired against observed, for tenants nobody works on: what no request announced is noticed here.

A difference starts an ordinary operation, so that it has steps, a deadline and a reason. One that failed is not started again by
itself: its tenant is degraded and waits for a person, unless the runtime comes round.
"""

import logging

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER
from control_plane.audit import service as audit
from control_plane.deployers.base import DeployerUnavailable, Observation, ObservationStatus, Placement
from control_plane.errors import DomainError
from control_plane.operations import service
from control_plane.operations.catching_up import catch_up, is_ahead
from control_plane.operations.kinds import OperationKind
from control_plane.operations.leases import Held, hold
from control_plane.operations.observing import Verdict, judge, keep, observe_awake
from control_plane.operations.steps import Tools
from control_plane.platform import Platform
from control_plane.releases import service as releases
from control_plane.releases.placing import placement_of
from control_plane.revisions import service as revisions
from control_plane.revisions.models import Revision
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantEvent, TenantState
from control_plane.upgrades import service as upgrades
from control_plane.upgrades.errors import ReleaseUnfit

log = logging.getLogger(__name__)


async def reconcile(tools: Tools, held: Held, *, reapply: bool) -> None:
    """Look at one tenant and act on a difference. `reapply` also carries its revision out again, since addresses may have changed."""
    platform = tools.platform
    try:
        observation = await tools.deployer.observe(held.tenant_id)
        if await _unproven_and_ahead(platform, held, observation):
            observation = await observe_awake(platform, held.tenant_id)
    except DeployerUnavailable:
        # The deployer comes back or is started again; its tenants are looked at next time.
        return
    url = None
    applied = await _applied(tools, held, observation)
    if reapply and applied is not None:
        found, placement, revision = applied
        database = (await tools.placed(found)).databases.address(found.id, found.password_serial)
        await tools.deployer.apply(placement, revision.document, database)
        url = await tools.deployer.address(held.tenant_id)
    async with platform.database.transaction() as session:
        await hold(session, held)
        tenant = await session.get_one(Tenant, held.tenant_id, with_for_update=True, populate_existing=True)
        tenant.url = url or tenant.url
        await keep(session, tenant.id, observation, at=platform.clock.now())
        if await _caught_up(session, platform, tenant, observation):
            return
        verdict = await _verdict(session, tenant, observation, applied[-1] if applied else None)
        await _act(session, tenant, verdict, platform)


async def _applied(tools: Tools, held: Held, observation: Observation) -> tuple[Tenant, Placement, Revision] | None:
    """The revision the runtime has now, which is not always the newest: one without effect rolls nothing out."""
    generation = observation.generation
    if generation is None and observation.attestation is not None:
        generation = observation.attestation.generation
    if generation is None or observation.status is ObservationStatus.ABSENT:
        return None
    async with tools.platform.database.transaction() as session:
        tenant = await session.get_one(Tenant, held.tenant_id)
        query = select(Revision).where(Revision.tenant_id == tenant.id, Revision.generation == generation)
        revision = await session.scalar(query)
        return (tenant, await placement_of(session, tenant, revision), revision) if revision else None


async def _unproven_and_ahead(platform: Platform, held: Held, observation: Observation) -> bool:
    """Whether it sleeps with a generation that nobody here knows: what it runs is asked of itself."""
    if observation.attestation is not None or observation.generation is None:
        return False
    async with platform.database.transaction() as session:
        return is_ahead(observation, await session.get_one(Tenant, held.tenant_id))


async def _caught_up(session: AsyncSession, platform: Platform, tenant: Tenant, observation: Observation) -> bool:
    """Whether its runtime was ahead of its rows, which were brought up to it. Without a proof of what it runs nothing is decided."""
    at_rest = tenant.state in (TenantState.ACTIVE, TenantState.DEGRADED)
    if not at_rest or observation.attestation is None or not is_ahead(observation, tenant):
        return False
    if await service.open_operations(session, tenant.id):
        return False
    try:
        async with session.begin_nested():
            await catch_up(session, platform, tenant, observation, at=platform.clock.now())
    except DomainError as error:
        # What it runs cannot be planned today: it is shown as what differs, and waits for a person.
        log.warning("tenant %s is ahead of its rows and cannot be caught up with: %s", tenant.slug, error.message)
        return False
    return True


async def _verdict(session: AsyncSession, tenant: Tenant, observation: Observation, applied: Revision | None) -> Verdict:
    desired = await revisions.desired(session, tenant)
    if applied is None or applied.effect != desired.effect:
        return Verdict(False, True, observation.reason or "The runtime runs something else than is desired.")
    if observation.status is ObservationStatus.IDLE:
        return Verdict(True)
    if observation.status is ObservationStatus.STARTING:
        return Verdict(False)
    return judge(observation, applied)


async def _act(session: AsyncSession, tenant: Tenant, verdict: Verdict, platform: Platform) -> None:
    at = platform.clock.now()
    if verdict.done and tenant.state is TenantState.DEGRADED:
        tenant.move(TenantEvent.ATTESTED, at=at)
        audit.record(session, WORKER, "tenant.recovered", at=at, tenant_id=tenant.id)
    if verdict.failing and tenant.state is TenantState.ACTIVE and not await service.open_operations(session, tenant.id):
        audit.record(session, WORKER, "tenant.drift_found", at=at, tenant_id=tenant.id, reason=verdict.reason)
        if not await _follow_environment(session, platform, tenant):
            await service.start(session, tenant, OperationKind.CHANGE_MODULES, actor=WORKER, at=at, generation=tenant.generation)


async def _follow_environment(session: AsyncSession, platform: Platform, tenant: Tenant) -> bool:
    """Move a tenant whose release's environment was changed to the release that stands there now: it runs it already, or will.

    False where that is not what is wrong, or the release does not suit: then what is desired is deployed again, and fails with the reason.
    """
    desired = await revisions.desired(session, tenant)
    held = await releases.standing_in_for(session, desired.release_id)
    if held is None or held.id == desired.release_id:
        return False
    try:
        return await upgrades.upgrade(session, platform, tenant, held.id, actor=WORKER, override=True) is not None
    except ReleaseUnfit:
        return False

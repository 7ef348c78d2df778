"""Moving a clinic to another release, and back with its data.

The backup comes first, then the revision, so that the backup names the release its data belongs to. Going back is a new generation with
the content of the one before; what was changed in the data is put back by `restoring.undo_data`.
"""

from dataclasses import asdict, replace
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER
from control_plane.audit import service as audit
from control_plane.databases.base import KnowsSchema
from control_plane.databases.names import beside
from control_plane.deployers.base import Rehearses
from control_plane.maintenance import rest
from control_plane.operations.kinds import StepName
from control_plane.operations.models import Operation
from control_plane.operations.observing import observe_awake
from control_plane.operations.steps.base import Outcome, Step, Tools, Work
from control_plane.releases import service as releases
from control_plane.releases.errors import ReleaseGone
from control_plane.revisions import service as revisions
from control_plane.revisions.document import OwnerPart, RevisionContent, parse
from control_plane.tenants.models import Tenant
from control_plane.upgrades import service as upgrades
from control_plane.upgrades.errors import RehearsalImpossible, ReleaseUnfit


async def plan(work: Work, tools: Tools) -> Outcome:
    """Look at what the runtime holds now, and record the revision on the wanted release. Raises ReleaseUnfit, ReleaseUnknown.

    A campaign asked for a time without patients before the backup; that may have taken long, so it is asked again. Raises PatientsCame.
    """
    platform = tools.platform
    if "campaign" in work.params:
        resting = await rest.ask(tools.deployer, platform.key, work.placement.tenant_id, needs=rest.RESTART)
        if not resting.lasts(platform.clock.now(), rest.RESTART):
            raise rest.PatientsCame
    seen = await observe_awake(platform, work.placement.tenant_id)
    async with platform.database.transaction() as session:
        tenant = await session.get_one(Tenant, work.placement.tenant_id)
        release = await releases.get(session, work.params["release"])
        found = await upgrades.assess(session, platform, tenant, release, proof=seen.attestation)
        if found.hard:
            raise ReleaseUnfit(tenant.slug, release.id, found.hard)
        assert found.proposal is not None
        content = found.proposal.content
    work.half_done()

    async def write(session: AsyncSession, tenant: Tenant, operation: Operation) -> None:
        if (await revisions.desired(session, tenant)).release_id != content.release.id:
            _record(session, tenant, content, tools)
        operation.generation = tenant.generation

    # Asked again before data is put back: where no release changed anything, nothing that was entered since need be lost.
    known = await tools.databases.schema(tenant.id) if isinstance(tools.databases, KnowsSchema) else None
    return Outcome(observation=seen, result={"schema": known}, write=write)


async def go_back(work: Work, tools: Tools) -> Outcome:
    """Record the content before the upgrade as a new generation. Raises ReleaseGone where nothing could run it."""
    async with tools.platform.database.transaction() as session:
        tenant = await session.get_one(Tenant, work.placement.tenant_id)
        desired = await revisions.desired(session, tenant)
        before = await upgrades.before(session, tenant, work.params["release"])
        if before is None or desired.release_id == before.release_id:
            # It failed before anything was recorded: what runs is what should.
            return Outcome(result={"back_on": desired.release_id})
        held = await releases.standing_in_for(session, before.release_id)
        if held is None or held.id != before.release_id:
            raise ReleaseGone(before.release_id, held.id if held else None)
        content = parse(before.document)
    work.half_done()

    async def write(session: AsyncSession, tenant: Tenant, operation: Operation) -> None:
        # The owner may have been corrected meanwhile.
        _record(session, tenant, content.model_copy(update={"owner": OwnerPart(email=tenant.owner_email)}), tools)
        at = tools.platform.clock.now()
        audit.record(session, WORKER, "tenant.upgrade_taken_back", at=at, tenant_id=tenant.id, release=content.release.id)

    return Outcome(result={"back_on": content.release.id}, write=write)


def _record(session: AsyncSession, tenant: Tenant, content: RevisionContent, tools: Tools) -> None:
    renewed = content.model_copy(update={"generation": tenant.generation + 1})
    revisions.record(session, tenant, renewed, actor=WORKER, at=tools.platform.clock.now())


async def rehearse(work: Work, tools: Tools) -> Outcome:
    """Run the wanted release's processor on the copy that was loaded beside the clinic. What it finds is the result, good or bad."""
    tenant_id = work.placement.tenant_id
    if not isinstance(tools.deployer, Rehearses):
        raise RehearsalImpossible
    async with tools.platform.database.transaction() as session:
        release = await releases.usable(session, work.params["release"])
    copy = replace(tools.databases.address(tenant_id, work.password_serial), name=beside(tenant_id, "rehearsal"))
    work.half_done()
    found = await tools.deployer.rehearse(replace(work.placement, environment=release.environment), copy)
    return Outcome(result={"rehearsal": {"release": release.id, **asdict(found)}})


STEPS: Final[dict[StepName, Step]] = {StepName.PLAN: Step(plan), StepName.GO_BACK: Step(go_back), StepName.REHEARSE: Step(rehearse)}

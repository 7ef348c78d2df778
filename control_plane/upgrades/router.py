"""/v1/tenants/{slug}/releases and …/upgrade: which release a clinic may get, and getting it."""

from fastapi import APIRouter, Response

from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.audit import service as audit
from control_plane.billing import agreements
from control_plane.releases import service as releases
from control_plane.revisions import service as revisions
from control_plane.revisions.document import parse
from control_plane.tenants.router import KnownTenant, LockedTenant, answered
from control_plane.tenants.schemas import StartedOut
from control_plane.tenants.service import Started
from control_plane.upgrades import service
from control_plane.upgrades.schemas import FitList, FitOut, PolicyOut, RehearsalRequest, ReleasePolicy, UpgradePlanOut, UpgradeRequest

router = APIRouter(prefix="/tenants/{slug}", tags=["releases"], route_class=PlatformRoute)


@router.get("/releases", dependencies=[Requires("releases:read")])
async def list_fitting(tenant: KnownTenant, session: Session, platform: ThisPlatform) -> FitList:
    """Every release some environment holds, the newest first, and what speaks against moving this clinic to it."""
    found = [await service.assess(session, platform, tenant, release) for release in await releases.present(session)]
    return FitList(items=[FitOut.of(one) for one in found])


@router.get("/release", dependencies=[Requires("releases:read")])
async def get_policy(tenant: KnownTenant, session: Session) -> PolicyOut:
    return PolicyOut.of(tenant, (await revisions.desired(session, tenant)).release_id)


@router.put("/release", dependencies=[Requires("releases:write")])
async def put_policy(
    policy: ReleasePolicy, tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> PolicyOut:
    """Pin the clinic to a release, or let it follow a channel. Nothing is moved by this: an upgrade or a campaign does."""
    if policy.pinned is not None:
        await releases.usable(session, policy.pinned)
    tenant.pinned_release, tenant.channel = policy.pinned, policy.channel
    details = {"pinned": policy.pinned, "channel": policy.channel}
    audit.record(session, actor, "tenant.release_policy", at=platform.clock.now(), tenant_id=tenant.id, **details)
    return PolicyOut.of(tenant, (await revisions.desired(session, tenant)).release_id)


@router.post("/upgrade/plan", dependencies=[Requires("releases:read")])
async def plan_upgrade(wanted: UpgradeRequest, tenant: KnownTenant, session: Session, platform: ThisPlatform) -> UpgradePlanOut:
    """What the same upgrade would change, and what speaks against it. Nothing is written."""
    release = await service.target_for(session, platform, tenant, wanted.release)
    found = await service.assess(session, platform, tenant, release)
    before = parse(found.current.document)
    after = found.proposal.content if found.proposal is not None else before
    quotes = await agreements.quotes(session, platform, tenant, before, after)
    return UpgradePlanOut.planned(found, tenant, before, after, quotes.prices)


@router.post("/upgrade", status_code=202, dependencies=[Requires("releases:write")])
async def upgrade(
    wanted: UpgradeRequest, tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform, response: Response
) -> StartedOut:
    """Move the clinic to a release: backup, deploy, attest. Where that fails it goes back by itself, with its data."""
    operation = await service.upgrade(session, platform, tenant, wanted.release, actor=actor, override=wanted.override)
    return await answered(session, platform, Started(tenant, operation), response)


@router.post("/rehearsals", status_code=202, dependencies=[Requires("releases:write")])
async def rehearse(
    wanted: RehearsalRequest, tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform, response: Response
) -> StartedOut:
    """Try a release on a copy of the clinic's newest backup; the operation's `result.rehearsal` says what came of it."""
    operation = await service.rehearse(session, platform, tenant, wanted.release, actor=actor)
    return await answered(session, platform, Started(tenant, operation), response)

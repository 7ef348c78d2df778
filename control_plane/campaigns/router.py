"""/v1/campaigns: plan, begin, watch and stop moving many tenants. /v1/known-bad-pairs: ways nobody is moved along."""

from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.audit import service as audit
from control_plane.campaigns import pairs, service
from control_plane.campaigns.models import Campaign, KnownBadPair, Member
from control_plane.campaigns.schemas import (
    CampaignList,
    CampaignOut,
    CampaignPlanOut,
    CampaignSummary,
    MemberList,
    MemberOut,
    NewCampaign,
    NewPair,
    PairList,
    PairOut,
    Reason,
)
from control_plane.campaigns.states import CampaignState, MemberState
from control_plane.pagination import WantedPage, page
from control_plane.tenants.models import Tenant
from control_plane.tenants.router import KnownTenant

router = APIRouter(tags=["campaigns"], route_class=PlatformRoute)

READ, WRITE = Requires("campaigns:read"), Requires("campaigns:write")


async def known_campaign(campaign_id: UUID, session: Session, actor: CurrentActor) -> Campaign:
    return await service.get(session, campaign_id)


async def locked_campaign(campaign_id: UUID, session: Session, actor: CurrentActor) -> Campaign:
    return await service.get(session, campaign_id, lock=True)


KnownCampaign = Annotated[Campaign, Depends(known_campaign)]
LockedCampaign = Annotated[Campaign, Depends(locked_campaign)]


async def _shown(session: AsyncSession, campaign: Campaign) -> CampaignOut:
    await session.flush()
    return CampaignOut.show(campaign, await service.waves_of(session, campaign.id), await service.counts(session, campaign.id))


@router.post("/campaigns/plan", dependencies=[READ])
async def plan_campaign(new: NewCampaign, session: Session, actor: CurrentActor) -> CampaignPlanOut:
    """What such a campaign would be frozen with, and who would be left out and why. Nothing is written."""
    return CampaignPlanOut.of(await service.plan(session, new, seed=str(uuid4())))


@router.post("/campaigns", status_code=201, dependencies=[WRITE])
async def create_campaign(new: NewCampaign, session: Session, actor: CurrentActor, platform: ThisPlatform) -> CampaignOut:
    """Freeze the plan. It is never computed again, and nothing is begun before `POST …/start`."""
    return await _shown(session, await service.create(session, platform, new, actor=actor))


@router.get("/campaigns", dependencies=[READ])
async def list_campaigns(session: Session, actor: CurrentActor, wanted: WantedPage, state: CampaignState | None = None) -> CampaignList:
    """The newest first."""
    query = select(Campaign)
    if state is not None:
        query = query.where(Campaign.state == state)
    found = await page(session, query, Campaign.number, wanted=wanted, descending=True)
    return CampaignList(items=[CampaignSummary.of(campaign) for campaign in found.items], next=found.next)


@router.get("/campaigns/{campaign_id}", dependencies=[READ])
async def get_campaign(campaign: KnownCampaign, session: Session) -> CampaignOut:
    return await _shown(session, campaign)


@router.get("/campaigns/{campaign_id}/members", dependencies=[READ])
async def list_members(
    campaign: KnownCampaign, session: Session, wanted: WantedPage, wave: int | None = None, state: MemberState | None = None
) -> MemberList:
    """Members in the order in which they are begun; those the plan left out come last."""
    query = select(Member).where(Member.campaign_id == campaign.id)
    if wave is not None:
        query = query.where(Member.wave == wave)
    if state is not None:
        query = query.where(Member.state == state)
    found = await page(session, query, Member.rank, wanted=wanted)
    names = select(Tenant.id, Tenant.slug).where(Tenant.id.in_([member.tenant_id for member in found.items]))
    slugs = {row.id: row.slug for row in await session.execute(names)}
    return MemberList(items=[MemberOut.of(member, slugs[member.tenant_id]) for member in found.items], next=found.next)


@router.post("/campaigns/{campaign_id}/start", status_code=202, dependencies=[WRITE])
async def start_campaign(campaign: LockedCampaign, session: Session, actor: CurrentActor, platform: ThisPlatform) -> CampaignOut:
    await service.start(session, platform, campaign, actor=actor)
    return await _shown(session, campaign)


@router.post("/campaigns/{campaign_id}/pause", dependencies=[WRITE])
async def pause_campaign(
    reason: Reason, campaign: LockedCampaign, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> CampaignOut:
    """Begin nothing new; what is under way ends as it would."""
    await service.pause(session, platform, campaign, reason.why, actor=actor)
    return await _shown(session, campaign)


@router.post("/campaigns/{campaign_id}/resume", status_code=202, dependencies=[WRITE])
async def resume_campaign(
    reason: Reason, campaign: LockedCampaign, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> CampaignOut:
    """Go on after a pause or a halt. What failed so far is not counted again; members that failed are taken up again one by one."""
    await service.resume(session, platform, campaign, reason.why, actor=actor)
    return await _shown(session, campaign)


@router.post("/campaigns/{campaign_id}/abort", status_code=202, dependencies=[WRITE])
async def abort_campaign(
    reason: Reason, campaign: LockedCampaign, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> CampaignOut:
    """End it for good. Members that were not begun are left alone; those that were moved stay where they are."""
    await service.abort(session, platform, campaign, reason.why, actor=actor)
    return await _shown(session, campaign)


@router.post("/campaigns/{campaign_id}/waves/{position}/approve", status_code=202, dependencies=[WRITE])
async def approve_wave(
    position: int, campaign: LockedCampaign, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> CampaignOut:
    await service.approve(session, platform, campaign, position, actor=actor)
    return await _shown(session, campaign)


@router.post("/campaigns/{campaign_id}/members/{slug}/retry", status_code=202, dependencies=[WRITE])
async def retry_member(
    campaign: LockedCampaign, tenant: KnownTenant, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> MemberOut:
    """Take a member up again that failed or was left out of its wave."""
    member = await service.retry_member(session, platform, campaign, tenant, actor=actor)
    await session.flush()
    return MemberOut.of(member, tenant.slug)


@router.get("/known-bad-pairs", dependencies=[READ])
async def list_pairs(session: Session, actor: CurrentActor, wanted: WantedPage) -> PairList:
    """Ways between releases that broke and are in force."""
    found = await page(session, select(KnownBadPair).where(KnownBadPair.lifted_at.is_(None)), KnownBadPair.id, wanted=wanted)
    return PairList(items=[PairOut.of(pair) for pair in found.items], next=found.next)


@router.post("/known-bad-pairs", status_code=201, dependencies=[WRITE])
async def add_pair(new: NewPair, session: Session, actor: CurrentActor, platform: ThisPlatform) -> PairOut:
    """Have nobody moved along this way any more. Asked again, it is the pair already in force."""
    now = platform.clock.now()
    await pairs.note(session, new.from_release, new.to_release, new.reason, actor=actor, at=now)
    pair = await pairs.of_fleet(session, new.from_release, new.to_release)
    audit.record(session, actor, "known_bad_pair.noted", at=now, before=new.from_release, after=new.to_release, reason=new.reason)
    return PairOut.of(pair)


@router.delete("/known-bad-pairs/{pair_id}", status_code=204, dependencies=[WRITE])
async def lift_pair(pair_id: UUID, session: Session, actor: CurrentActor, platform: ThisPlatform) -> None:
    await service.lift_pair(session, platform, pair_id, actor=actor)

"""Campaigns that need somebody: halted, past their time, or with a wave that a person is to approve."""

from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.campaigns.models import Campaign, Wave
from control_plane.campaigns.states import CampaignState, WaveState
from control_plane.stuck.schemas import MOST, StuckOut, WayOut
from dentalpin_kit.problems import ErrorClass


async def stuck_campaigns(session: AsyncSession, at: datetime) -> list[StuckOut]:
    overdue = and_(Campaign.state == CampaignState.RUNNING, Campaign.deadline < at)
    awaited = and_(Campaign.state == CampaignState.RUNNING, Wave.state == WaveState.AWAITING_APPROVAL)
    query = (
        select(Campaign, Wave)
        .outerjoin(Wave, and_(Wave.campaign_id == Campaign.id, Wave.state == WaveState.AWAITING_APPROVAL))
        .where(or_(Campaign.state == CampaignState.HALTED, overdue, awaited))
        .order_by(Campaign.number)
        .limit(MOST)
    )
    return [await _shown(session, campaign, wave, at) for campaign, wave in (await session.execute(query)).all()]


async def _shown(session: AsyncSession, campaign: Campaign, wave: Wave | None, at: datetime) -> StuckOut:
    path = f"/v1/campaigns/{campaign.id}"
    abort = WayOut(action="abort", request=f"POST {path}/abort")
    if campaign.state is CampaignState.HALTED:
        state, since, reason = "halted", campaign.state_since, campaign.reason
        ways = [WayOut(action="resume", request=f"POST {path}/resume"), abort]
    elif wave is not None:
        state, since, reason = (
            "awaiting_approval",
            await _its_turn_since(session, campaign, wave),
            f"The wave {wave.name} is to be approved.",
        )
        ways = [WayOut(action="approve", request=f"POST {path}/waves/{wave.position}/approve"), abort]
    else:
        state, since = "overdue", campaign.deadline or campaign.state_since
        reason = "Its time is over and nobody halted it: no worker runs, or none can reach the database."
        ways = [WayOut(action="pause", request=f"POST {path}/pause"), abort]
    return StuckOut(
        what="campaign",
        id=str(campaign.id),
        tenant=None,
        state=state,
        since=since,
        age_seconds=(at - since).total_seconds(),
        deadline=campaign.deadline,
        reason=reason or "It was halted.",
        error_class=ErrorClass.US,
        ways_out=ways,
        runbook="campaign-waits.md" if state == "awaiting_approval" else "campaign-halted.md",
    )


async def _its_turn_since(session: AsyncSession, campaign: Campaign, wave: Wave) -> datetime:
    """The end of the wave before it, or the campaign's beginning."""
    before = select(Wave.finished_at).where(Wave.campaign_id == campaign.id, Wave.position == wave.position - 1)
    return await session.scalar(before) or campaign.state_since

"""The pass that drives campaigns: follows members to their end, halts, opens waves, begins members. Looks at rows only, and is repeatable.

One campaign is looked at in steps of one transaction each: first everything that is known already, then, with nothing locked, runtimes are
asked when they have no patients, then each member is begun by itself. Dying in between loses nothing.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER
from control_plane.audit import service as audit
from control_plane.campaigns import looking, telling
from control_plane.campaigns.change import Change
from control_plane.campaigns.following import follow
from control_plane.campaigns.judging import Tally, why_halt
from control_plane.campaigns.models import Campaign, Member, Wave
from control_plane.campaigns.pairs import note
from control_plane.campaigns.service import waves_of
from control_plane.campaigns.states import MOVING, OPEN_MEMBERS, CampaignEvent, CampaignState, MemberState, WaveEvent, WaveState
from control_plane.operations.steps import Tools
from control_plane.platform import Platform
from control_plane.releases import service as releases

SOON: Final = timedelta(seconds=2)
"""How soon a campaign with members under way is looked at again."""
RARELY: Final = timedelta(minutes=15)
"""How often one is looked at in which nothing moves."""
ROUNDS: Final = 200
"""How often one look may take up further members, those found not ready making room for others."""
ASKED_AT_ONCE: Final = 16


async def drive_campaigns(tools: Tools) -> None:
    """Look at every campaign that is due."""
    platform = tools.platform
    async with platform.database.transaction() as session:
        due = select(Campaign.id).where(Campaign.state.in_(MOVING), Campaign.next_at <= platform.clock.now()).order_by(Campaign.number)
        numbers = list(await session.scalars(due))
    for campaign_id in numbers:
        await drive_one(platform, campaign_id)


async def drive_one(platform: Platform, campaign_id: UUID) -> None:
    for _ in range(ROUNDS):
        async with platform.database.transaction() as session:
            ready = await _advance(session, platform, campaign_id)
        if not ready:
            return
        for start in range(0, len(ready), ASKED_AT_ONCE):
            some = ready[start : start + ASKED_AT_ONCE]
            looks = await asyncio.gather(*(looking.at(platform, candidate) for candidate in some))
            for candidate, decision in zip(some, looks, strict=True):
                async with platform.database.transaction() as session:
                    await looking.act(session, platform, campaign_id, candidate, decision)


async def _advance(session: AsyncSession, platform: Platform, campaign_id: UUID) -> list[looking.Ready]:
    """Record what became of members, halt, end and open waves; answer the members that may be begun now."""
    now = platform.clock.now()
    campaign = await session.get_one(Campaign, campaign_id, with_for_update=True, populate_existing=True)
    if campaign.state not in MOVING:
        return []
    under_way = await follow(session, campaign, at=now)
    waves = await waves_of(session, campaign_id)
    await _halt_if_needed(session, platform, campaign, waves, at=now)
    if campaign.state is CampaignState.ABORTING and not under_way:
        campaign.move(CampaignEvent.AT_REST, at=now, reason=campaign.reason)
        await _over(session, platform, campaign, at=now)
    if campaign.state is not CampaignState.RUNNING:
        campaign.next_at = now + (SOON if under_way else RARELY)
        return []
    wave = await _current_wave(session, platform, campaign, waves, at=now)
    if wave is None:
        return []
    ready = await looking.ready(session, platform, campaign, wave, room=wave.parallel - under_way, at=now)
    if not ready:
        campaign.next_at = await _next(session, campaign, wave, under_way, at=now)
    return ready


async def _halt_if_needed(session: AsyncSession, platform: Platform, campaign: Campaign, waves: Sequence[Wave], *, at: datetime) -> None:
    if campaign.state not in (CampaignState.RUNNING, CampaignState.PAUSED):
        return
    for wave in waves:
        if wave.state not in (WaveState.RUNNING, WaveState.SOAKING):
            continue
        tally = await _tally(session, campaign, wave)
        why = why_halt(tally, campaign.how, canary=wave.canary)
        if why is not None:
            await _halt(session, platform, campaign, f"{wave.name.capitalize()}: {why}", wave=wave, at=at)
            return
    if campaign.state is CampaignState.RUNNING and campaign.release_id is not None:
        release = await releases.get(session, campaign.release_id)
        if release.yanked_at is not None:
            await _halt(session, platform, campaign, f"Its release was yanked: {release.yanked_reason}", wave=None, at=at)
            return
    if campaign.state is CampaignState.RUNNING and campaign.deadline is not None and at >= campaign.deadline:
        why = f"It is not over after {campaign.how.days} days. See which members wait, and resume or abort it."
        await _halt(session, platform, campaign, why, wave=None, at=at)


async def _tally(session: AsyncSession, campaign: Campaign, wave: Wave) -> Tally:
    query = select(Member.state, Member.code, Member.forgiven).where(Member.campaign_id == campaign.id, Member.wave == wave.position)
    rows = (await session.execute(query)).all()
    failed = [code for state, code, forgiven in rows if state is MemberState.FAILED and not forgiven]
    done = sum(state is MemberState.DONE for state, _, _ in rows)
    return Tally(size=len(rows), done=done, failed=len(failed), stuck=failed.count("stuck"))


async def _halt(session: AsyncSession, platform: Platform, campaign: Campaign, why: str, *, wave: Wave | None, at: datetime) -> None:
    campaign.move(CampaignEvent.HALTED, at=at, reason=why)
    audit.record(session, WORKER, "campaign.halted", at=at, campaign=str(campaign.id), name=campaign.name, reason=why)
    if wave is not None and campaign.change is Change.RELEASE:
        await _note_pairs(session, campaign, wave, at=at)
    await telling.halted(session, platform, campaign, why, at=at)


async def _note_pairs(session: AsyncSession, campaign: Campaign, wave: Wave, *, at: datetime) -> None:
    """What broke for several is taken to break for all that come from there."""
    query = select(Member).where(
        Member.campaign_id == campaign.id, Member.wave == wave.position, Member.state == MemberState.FAILED, Member.forgiven.is_(False)
    )
    by_release: dict[str, list[Member]] = {}
    for member in await session.scalars(query.order_by(Member.rank)):
        by_release.setdefault(member.from_release, []).append(member)
    assert campaign.release_id is not None
    for release_id, members in by_release.items():
        if len(members) > 1:
            why = f"{len(members)} members of “{campaign.name}” failed, the first one so: {members[0].reason}"
            await note(session, release_id, campaign.release_id, why, actor=WORKER, at=at, campaign_id=campaign.id)


async def _current_wave(
    session: AsyncSession, platform: Platform, campaign: Campaign, waves: Sequence[Wave], *, at: datetime
) -> Wave | None:
    """The wave whose members may be begun; None while nothing may. Ends waves, opens the next, and ends the campaign after the last."""
    for wave in waves:
        if wave.state is WaveState.RUNNING and await _ended(session, campaign, wave):
            wave.move(WaveEvent.SOAK_BEGUN)
            wave.soak_until = at + timedelta(minutes=wave.soak_minutes)
            # Two transitions may follow in one look; the database sees each.
            await session.flush()
        if wave.state is WaveState.SOAKING and wave.soak_until is not None and at >= wave.soak_until:
            wave.move(WaveEvent.SOAKED)
            wave.finished_at = at
            audit.record(session, WORKER, "campaign.wave_done", at=at, campaign=str(campaign.id), wave=wave.name)
        if wave.state is WaveState.PENDING:
            if wave.approval:
                wave.move(WaveEvent.APPROVAL_NEEDED)
                await telling.approval_needed(session, platform, campaign, wave, at=at)
            else:
                wave.move(WaveEvent.OPENED)
                wave.started_at = at
        match wave.state:
            case WaveState.RUNNING:
                return wave
            case WaveState.SOAKING:
                assert wave.soak_until is not None
                campaign.next_at = wave.soak_until
                return None
            case WaveState.AWAITING_APPROVAL:
                campaign.next_at = at + RARELY
                return None
            case _:
                continue
    campaign.move(CampaignEvent.FINISHED, at=at)
    await _over(session, platform, campaign, at=at)
    return None


async def _ended(session: AsyncSession, campaign: Campaign, wave: Wave) -> bool:
    going_on = select(Member.tenant_id).where(
        Member.campaign_id == campaign.id, Member.wave == wave.position, Member.state.in_([*OPEN_MEMBERS, MemberState.RUNNING])
    )
    return (await session.execute(going_on.limit(1))).first() is None


async def _over(session: AsyncSession, platform: Platform, campaign: Campaign, *, at: datetime) -> None:
    audit.record(session, WORKER, f"campaign.{campaign.state.value}", at=at, campaign=str(campaign.id), name=campaign.name)
    await telling.over(session, platform, campaign, at=at)


async def _next(session: AsyncSession, campaign: Campaign, wave: Wave, under_way: int, *, at: datetime) -> datetime:
    """When it has to be looked at again, nothing being ready now."""
    if under_way:
        return at + SOON
    coming = select(Member.next_at).where(Member.campaign_id == campaign.id, Member.wave == wave.position, Member.state.in_(OPEN_MEMBERS))
    first = await session.scalar(coming.order_by(Member.next_at).limit(1))
    return min(max(first, at + SOON) if first is not None else at + SOON, at + RARELY)

"""Creating campaigns and what people do with them. Rows in the caller's transaction; the pass that drives them notices by itself."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.audit import service as audit
from control_plane.campaigns import pairs
from control_plane.campaigns.errors import (
    CampaignOver,
    NobodyToMove,
    NotAMember,
    ReleaseYanked,
    UnknownCampaign,
    UnknownPair,
    UnknownTenants,
    UnknownWave,
    WaveNotWaiting,
)
from control_plane.campaigns.models import Campaign, KnownBadPair, Member, Wave
from control_plane.campaigns.planning import Candidate, Plan, freeze
from control_plane.campaigns.schemas import NewCampaign
from control_plane.campaigns.states import (
    CAMPAIGN,
    OPEN_MEMBERS,
    OVER,
    CampaignEvent,
    CampaignState,
    MemberEvent,
    MemberState,
    WaveEvent,
    WaveState,
)
from control_plane.platform import Platform
from control_plane.releases import service as releases
from control_plane.revisions.models import Revision
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState


async def plan(session: AsyncSession, new: NewCampaign, *, seed: str) -> Plan:
    """The plan a campaign would be frozen with. Writes nothing. Raises ReleaseUnknown, ReleaseGone, ReleaseYanked, UnknownTenants."""
    if new.release is not None:
        release = await releases.usable(session, new.release)
        if release.yanked_at is not None:
            raise ReleaseYanked(release.id, release.yanked_reason or "")
    return freeze(await _candidates(session, new), new.strategy, seed=seed)


async def _candidates(session: AsyncSession, new: NewCampaign) -> list[Candidate]:
    query = (
        select(Tenant.id, Tenant.slug, Tenant.state, Tenant.state_reason, Tenant.pinned_release, Revision.release_id)
        .join(Revision, (Revision.tenant_id == Tenant.id) & (Revision.generation == Tenant.generation))
        .where(Tenant.state != TenantState.DELETED)
        .order_by(Tenant.slug)
    )
    chosen = new.tenants
    if chosen.slugs:
        query = query.where(Tenant.slug.in_(chosen.slugs))
    if chosen.countries:
        query = query.where(Tenant.country.in_(chosen.countries))
    if chosen.releases:
        query = query.where(Revision.release_id.in_(chosen.releases))
    if chosen.except_slugs:
        query = query.where(Tenant.slug.not_in(chosen.except_slugs))
    rows = (await session.execute(query)).all()
    named = {*chosen.slugs, *new.strategy.canary_tenants}
    if missing := sorted(named - {row.slug for row in rows}):
        raise UnknownTenants(missing)
    bad = await pairs.known(session, new.release) if new.release is not None else pairs.KnownBad()
    return [Candidate(row.id, row.slug, row.release_id, _why_out(row, new, bad)) for row in rows]


def _why_out(row: Any, new: NewCampaign, bad: pairs.KnownBad) -> tuple[str, str] | None:
    """Why a tenant is left out of the plan, as a code and a sentence. `row` is one of the query above."""
    if new.release is not None and row.release_id == new.release:
        return "there_already", "It is to run this release already."
    if new.release is not None and row.pinned_release not in (None, new.release):
        return "pinned", f"It is pinned to release {row.pinned_release}. Unpin it to have it moved."
    if row.state is not TenantState.ACTIVE:
        return "not_active", f"It is {row.state.value}{f': {row.state_reason}' if row.state_reason else ''}. Mend that first."
    if (why := bad.why(row.id, row.release_id)) is not None:
        return "known_bad", why
    return None


async def create(session: AsyncSession, platform: Platform, new: NewCampaign, *, actor: Actor, key: str | None = None) -> Campaign:
    """Freeze the plan and write it. It is not begun before `start`.

    With a `key`, asked again it is the same campaign. Raises what `plan` raises, and NobodyToMove.
    """
    if key is not None and (known := await session.scalar(select(Campaign).where(Campaign.key == key))) is not None:
        return known
    now, campaign_id = platform.clock.now(), uuid4()
    frozen = await plan(session, new, seed=str(campaign_id))
    if not frozen.waves:
        raise NobodyToMove(len(frozen.members))
    campaign = Campaign(
        id=campaign_id,
        key=key,
        name=new.name,
        change=new.change,
        release_id=new.release,
        strategy=new.strategy.model_dump(mode="json"),
        state=CAMPAIGN.initial,
        state_since=now,
        next_at=now,
        created_at=now,
        created_by=actor.label,
    )
    session.add(campaign)
    await session.flush()
    session.add_all(
        Wave(
            campaign_id=campaign_id,
            position=wave.position,
            name=wave.name,
            canary=wave.canary,
            size=wave.size,
            parallel=wave.parallel,
            approval=wave.approval,
            soak_minutes=wave.soak_minutes,
        )
        for wave in frozen.waves
    )
    await session.flush()
    session.add_all(
        Member(
            campaign_id=campaign_id,
            tenant_id=member.tenant_id,
            wave=member.wave,
            rank=member.rank,
            from_release=member.release_id,
            state=MemberState.PENDING if member.out is None else MemberState.SKIPPED,
            code=member.out[0] if member.out else None,
            reason=member.out[1] if member.out else None,
            next_at=now,
            finished_at=None if member.out is None else now,
        )
        for member in frozen.members
    )
    members = sum(wave.size for wave in frozen.waves)
    audit.record(session, actor, "campaign.created", at=now, campaign=str(campaign_id), name=new.name, release=new.release, members=members)
    await session.flush()
    return campaign


async def get(session: AsyncSession, campaign_id: UUID, *, lock: bool = False) -> Campaign:
    """Raises UnknownCampaign."""
    campaign = await session.get(Campaign, campaign_id, with_for_update=lock or None, populate_existing=lock)
    if campaign is None:
        raise UnknownCampaign(campaign_id)
    return campaign


async def waves_of(session: AsyncSession, campaign_id: UUID) -> Sequence[Wave]:
    return list(await session.scalars(select(Wave).where(Wave.campaign_id == campaign_id).order_by(Wave.position)))


async def counts(session: AsyncSession, campaign_id: UUID) -> dict[int | None, dict[MemberState, int]]:
    """How many members of each wave are in each state; under None those the plan left out."""
    query = select(Member.wave, Member.state, func.count()).where(Member.campaign_id == campaign_id).group_by(Member.wave, Member.state)
    found: dict[int | None, dict[MemberState, int]] = {}
    for wave, state, number in await session.execute(query):
        found.setdefault(wave, {})[state] = number
    return found


async def start(session: AsyncSession, platform: Platform, campaign: Campaign, *, actor: Actor) -> None:
    """Let the first wave begin. `campaign` is locked."""
    now = platform.clock.now()
    campaign.move(CampaignEvent.STARTED, at=now)
    campaign.started_at = now
    campaign.deadline = now + timedelta(days=campaign.how.days)
    _tell(session, actor, "started", campaign, at=now)


async def pause(session: AsyncSession, platform: Platform, campaign: Campaign, why: str, *, actor: Actor) -> None:
    """Begin nothing new. What is under way ends as it would."""
    now = platform.clock.now()
    campaign.move(CampaignEvent.PAUSED, at=now, reason=why)
    _tell(session, actor, "paused", campaign, at=now, why=why)


async def resume(session: AsyncSession, platform: Platform, campaign: Campaign, why: str, *, actor: Actor) -> None:
    """Go on where it stopped. What failed in it stays failed and is not counted again; the pairs it noted for the fleet are lifted."""
    now = platform.clock.now()
    campaign.move(CampaignEvent.RESUMED, at=now)
    campaign.deadline = max(campaign.deadline or now, now + timedelta(days=1))
    failed = update(Member).where(Member.campaign_id == campaign.id, Member.state == MemberState.FAILED)
    await session.execute(failed.values(forgiven=True))
    noted = select(KnownBadPair).where(
        KnownBadPair.campaign_id == campaign.id, KnownBadPair.tenant_id.is_(None), KnownBadPair.lifted_at.is_(None)
    )
    await pairs.lift(session, list(await session.scalars(noted)), actor=actor, at=now)
    _tell(session, actor, "resumed", campaign, at=now, why=why)


async def abort(session: AsyncSession, platform: Platform, campaign: Campaign, why: str, *, actor: Actor) -> None:
    """End it: members that were not begun are left alone; what is under way ends as it would."""
    now = platform.clock.now()
    campaign.move(CampaignEvent.ABORT_ASKED, at=now, reason=why)
    waiting = select(Member).where(Member.campaign_id == campaign.id, Member.state.in_(OPEN_MEMBERS)).with_for_update()
    for member in await session.scalars(waiting):
        member.move(MemberEvent.ABORTED, at=now, reason=f"The campaign was aborted: {why}")
    _tell(session, actor, "aborted", campaign, at=now, why=why)


async def approve(session: AsyncSession, platform: Platform, campaign: Campaign, position: int, *, actor: Actor) -> Wave:
    """Let a wave begin that awaits it. Raises UnknownWave, WaveNotWaiting."""
    wave = await session.get(Wave, (campaign.id, position), with_for_update=True, populate_existing=True)
    if wave is None:
        raise UnknownWave(campaign.id, position)
    if wave.state is not WaveState.AWAITING_APPROVAL:
        raise WaveNotWaiting(position, wave.state.value)
    now = platform.clock.now()
    wave.approved_at, wave.approved_by, wave.started_at = now, actor.label, now
    wave.move(WaveEvent.OPENED)
    campaign.next_at = now
    _tell(session, actor, "wave_approved", campaign, at=now, wave=wave.name)
    return wave


async def retry_member(session: AsyncSession, platform: Platform, campaign: Campaign, tenant: Tenant, *, actor: Actor) -> Member:
    """Take a member up again that failed or was left out; what is known against its pair of releases is lifted for it.

    Raises NotAMember, CampaignOver, IllegalTransition.
    """
    member = await session.get(Member, (campaign.id, tenant.id), with_for_update=True, populate_existing=True)
    if member is None or member.wave is None:
        raise NotAMember(tenant.slug)
    if campaign.state in OVER or campaign.state is CampaignState.ABORTING:
        raise CampaignOver(campaign.state.value)
    now = platform.clock.now()
    member.move(MemberEvent.RETRIED, at=now)
    member.forgiven = False
    wave = await session.get_one(Wave, (campaign.id, member.wave), with_for_update=True, populate_existing=True)
    if wave.state in (WaveState.SOAKING, WaveState.DONE):
        wave.move(WaveEvent.MEMBER_RETRIED)
        wave.soak_until = wave.finished_at = None
    if campaign.release_id is not None:
        against = select(KnownBadPair).where(
            KnownBadPair.tenant_id == tenant.id, KnownBadPair.to_release == campaign.release_id, KnownBadPair.lifted_at.is_(None)
        )
        await pairs.lift(session, list(await session.scalars(against)), actor=actor, at=now)
    campaign.next_at = now
    audit.record(session, actor, "campaign.member_retried", at=now, tenant_id=tenant.id, campaign=str(campaign.id))
    return member


async def lift_pair(session: AsyncSession, platform: Platform, pair_id: UUID, *, actor: Actor) -> None:
    """Raises UnknownPair."""
    pair = await session.get(KnownBadPair, pair_id, with_for_update=True)
    if pair is None or pair.lifted_at is not None:
        raise UnknownPair(pair_id)
    now = platform.clock.now()
    await pairs.lift(session, [pair], actor=actor, at=now)
    audit.record(session, actor, "known_bad_pair.lifted", at=now, tenant_id=pair.tenant_id, before=pair.from_release, after=pair.to_release)


def _tell(session: AsyncSession, actor: Actor, what: str, campaign: Campaign, *, at: datetime, **details: Any) -> None:
    audit.record(session, actor, f"campaign.{what}", at=at, campaign=str(campaign.id), name=campaign.name, **details)

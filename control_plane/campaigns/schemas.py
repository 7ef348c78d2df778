"""Campaigns as the API takes and shows them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from control_plane.campaigns.change import Change
from control_plane.campaigns.models import Campaign, KnownBadPair, Member, Wave
from control_plane.campaigns.planning import Plan
from control_plane.campaigns.states import CampaignState, MemberState, WaveState
from control_plane.campaigns.strategy import Strategy
from control_plane.tenants.schemas import Words

Slug = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
Slugs = Annotated[tuple[Slug, ...], Field(max_length=20_000)]
ReleaseId = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
Why = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Selection(_Request):
    """Which tenants; nothing given: all. What is given narrows it together."""

    slugs: Slugs = ()
    except_slugs: Slugs = ()
    countries: Annotated[tuple[Annotated[str, Field(max_length=2)], ...], Field(max_length=100)] = ()
    releases: Annotated[tuple[ReleaseId, ...], Field(max_length=100)] = ()
    """Tenants that are to run one of these now."""


class NewCampaign(_Request):
    name: Words
    change: Change = Change.RELEASE
    release: ReleaseId | None = None
    """Where members are moved; needed for a change of release, and for no other."""
    tenants: Selection = Selection()
    strategy: Strategy = Strategy()

    @model_validator(mode="after")
    def _release_named(self) -> "NewCampaign":
        if (self.change is Change.RELEASE) != (self.release is not None):
            raise ValueError("name the release where `change` is `release`, and leave it out otherwise")
        return self


class Reason(_Request):
    why: Why


class PlannedMemberOut(BaseModel):
    tenant: str
    release: str
    wave: int | None
    out: str | None
    """Why it is left out."""


class PlannedWaveOut(BaseModel):
    position: int
    name: str
    size: int
    parallel: int
    approval: bool
    soak_minutes: int


class CampaignPlanOut(BaseModel):
    """What a campaign would be frozen with; nothing was written. Who is drawn into which wave is by lot, anew for each campaign."""

    waves: list[PlannedWaveOut]
    members: list[PlannedMemberOut]
    left_out: dict[str, int]
    """How many are left out, by the kind of reason."""

    @classmethod
    def of(cls, plan: Plan) -> "CampaignPlanOut":
        left_out: dict[str, int] = {}
        for member in plan.members:
            if member.out is not None:
                left_out[member.out[0]] = left_out.get(member.out[0], 0) + 1
        return cls(
            waves=[
                PlannedWaveOut(
                    position=wave.position,
                    name=wave.name,
                    size=wave.size,
                    parallel=wave.parallel,
                    approval=wave.approval,
                    soak_minutes=wave.soak_minutes,
                )
                for wave in plan.waves
            ],
            members=[
                PlannedMemberOut(tenant=one.slug, release=one.release_id, wave=one.wave, out=one.out[1] if one.out else None)
                for one in plan.members
            ],
            left_out=left_out,
        )


class WaveOut(PlannedWaveOut):
    state: WaveState
    members: dict[MemberState, int]
    approved_at: datetime | None
    approved_by: str | None
    started_at: datetime | None
    soak_until: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, wave: Wave, members: Mapping[MemberState, int]) -> "WaveOut":
        return cls(
            position=wave.position,
            name=wave.name,
            size=wave.size,
            parallel=wave.parallel,
            approval=wave.approval,
            soak_minutes=wave.soak_minutes,
            state=wave.state,
            members=dict(members),
            approved_at=wave.approved_at,
            approved_by=wave.approved_by,
            started_at=wave.started_at,
            soak_until=wave.soak_until,
            finished_at=wave.finished_at,
        )


class CampaignSummary(BaseModel):
    id: UUID
    name: str
    change: Change
    release: str | None
    state: CampaignState
    state_since: datetime
    deadline: datetime | None
    reason: str | None
    created_at: datetime
    created_by: str
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, campaign: Campaign) -> "CampaignSummary":
        return cls(
            id=campaign.id,
            name=campaign.name,
            change=campaign.change,
            release=campaign.release_id,
            state=campaign.state,
            state_since=campaign.state_since,
            deadline=campaign.deadline,
            reason=campaign.reason,
            created_at=campaign.created_at,
            created_by=campaign.created_by,
            started_at=campaign.started_at,
            finished_at=campaign.finished_at,
        )


class CampaignOut(CampaignSummary):
    strategy: Strategy
    waves: list[WaveOut]
    members: dict[MemberState, int]
    """All members by state, those the plan left out among the skipped."""

    @classmethod
    def show(cls, campaign: Campaign, waves: Sequence[Wave], counts: Mapping[int | None, Mapping[MemberState, int]]) -> "CampaignOut":
        total: dict[MemberState, int] = {}
        for states in counts.values():
            for state, number in states.items():
                total[state] = total.get(state, 0) + number
        return cls(
            **CampaignSummary.of(campaign).model_dump(),
            strategy=campaign.how,
            waves=[WaveOut.of(wave, counts.get(wave.position, {})) for wave in waves],
            members=total,
        )


class CampaignList(BaseModel):
    items: list[CampaignSummary]
    next: str | None
    """Pass as `after` for the following page; null on the last."""


class MemberOut(BaseModel):
    tenant: str
    wave: int | None
    state: MemberState
    code: str | None
    reason: str | None
    from_release: str
    operation: UUID | None
    next_at: datetime | None
    """When a waiting member is looked at again."""
    waiting_since: datetime | None
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, member: Member, slug: str) -> "MemberOut":
        return cls(
            tenant=slug,
            wave=member.wave,
            state=member.state,
            code=member.code,
            reason=member.reason,
            from_release=member.from_release,
            operation=member.operation_id,
            next_at=member.next_at if member.state is MemberState.WAITING else None,
            waiting_since=member.waiting_since,
            started_at=member.started_at,
            finished_at=member.finished_at,
        )


class MemberList(BaseModel):
    items: list[MemberOut]
    next: str | None
    """Pass as `after` for the following page; null on the last."""


class NewPair(_Request):
    """A way between releases nobody is to be moved along any more."""

    from_release: ReleaseId
    to_release: ReleaseId
    reason: Why


class PairOut(BaseModel):
    id: UUID
    from_release: str
    to_release: str
    tenant: UUID | None
    """The tenant it broke for; null: it holds for all."""
    campaign: UUID | None
    reason: str
    noted_at: datetime
    noted_by: str

    @classmethod
    def of(cls, pair: KnownBadPair) -> "PairOut":
        return cls(
            id=pair.id,
            from_release=pair.from_release,
            to_release=pair.to_release,
            tenant=pair.tenant_id,
            campaign=pair.campaign_id,
            reason=pair.reason,
            noted_at=pair.noted_at,
            noted_by=pair.noted_by,
        )


class PairList(BaseModel):
    items: list[PairOut]
    next: str | None
    """Pass as `after` for the following page; null on the last."""

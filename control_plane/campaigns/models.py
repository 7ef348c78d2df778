"""A campaign, its frozen plan (waves and members), and the pairs of releases that are known to break."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Boolean, CheckConstraint, ForeignKey, ForeignKeyConstraint, Identity, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.campaigns.change import Change
from control_plane.campaigns.states import (
    CAMPAIGN,
    ENDED,
    MEMBER,
    WAVE,
    CampaignEvent,
    CampaignState,
    MemberEvent,
    MemberState,
    WaveEvent,
    WaveState,
)
from control_plane.campaigns.strategy import Strategy
from control_plane.database import Base, text_enum


class Campaign(Base):
    __tablename__ = "campaign"
    __table_args__ = (
        CheckConstraint("state <> 'halted' OR reason IS NOT NULL", name="halted_has_reason"),
        CheckConstraint("state <> 'running' OR deadline IS NOT NULL", name="running_has_deadline"),
        CheckConstraint("(change = 'release') = (release_id IS NOT NULL)", name="release_names_one"),
        Index("ix_campaign_due", "next_at", postgresql_where=text("state IN ('running', 'paused', 'halted', 'aborting')")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    key: Mapped[str | None] = mapped_column(String(200), unique=True)
    """Given by whoever must not create it twice, as the publication of a pack."""
    name: Mapped[str] = mapped_column(String(200))
    change: Mapped[Change] = mapped_column(text_enum(Change))
    release_id: Mapped[str | None] = mapped_column(ForeignKey("release.id"))
    """The release members are moved to."""
    strategy: Mapped[dict[str, Any]]
    state: Mapped[CampaignState] = mapped_column(text_enum(CampaignState), default=CAMPAIGN.initial)
    state_since: Mapped[datetime]
    deadline: Mapped[datetime | None]
    reason: Mapped[str | None]
    next_at: Mapped[datetime]
    """When it is next looked at."""
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(120))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    def move(self, on: CampaignEvent, *, at: datetime, reason: str | None = None) -> None:
        self.state = CAMPAIGN.target(self.state, on)
        self.state_since, self.reason, self.next_at = at, reason, at
        self.finished_at = at if self.state in CAMPAIGN.final else None

    @property
    def how(self) -> Strategy:
        return Strategy.model_validate(self.strategy)


class Wave(Base):
    __tablename__ = "campaign_wave"

    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaign.id"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    canary: Mapped[bool] = mapped_column(Boolean)
    size: Mapped[int] = mapped_column(Integer)
    parallel: Mapped[int] = mapped_column(Integer)
    approval: Mapped[bool] = mapped_column(Boolean)
    soak_minutes: Mapped[int] = mapped_column(Integer)
    state: Mapped[WaveState] = mapped_column(text_enum(WaveState), default=WAVE.initial)
    approved_at: Mapped[datetime | None]
    approved_by: Mapped[str | None] = mapped_column(String(120))
    started_at: Mapped[datetime | None]
    soak_until: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    def move(self, on: WaveEvent) -> None:
        self.state = WAVE.target(self.state, on)


class Member(Base):
    __tablename__ = "campaign_member"
    __table_args__ = (
        ForeignKeyConstraint(
            ["campaign_id", "wave"], ["campaign_wave.campaign_id", "campaign_wave.position"], name="fk_campaign_member_wave"
        ),
        Index("ix_campaign_member_wave", "campaign_id", "wave", "state", "rank"),
        Index("ix_campaign_member_tenant_id", "tenant_id"),
        CheckConstraint("wave IS NOT NULL OR state = 'skipped'", name="in_a_wave_or_skipped"),
        CheckConstraint("state NOT IN ('waiting', 'failed', 'skipped') OR reason IS NOT NULL", name="has_reason"),
        CheckConstraint("state <> 'running' OR (operation_id IS NOT NULL AND started_at IS NOT NULL)", name="running_has_operation"),
    )

    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaign.id"), primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"), primary_key=True)
    wave: Mapped[int | None] = mapped_column(Integer)
    rank: Mapped[int] = mapped_column(Integer)
    from_release: Mapped[str] = mapped_column(String(80))
    """What it was to run when the plan was made."""
    state: Mapped[MemberState] = mapped_column(text_enum(MemberState), default=MEMBER.initial)
    code: Mapped[str | None] = mapped_column(String(80))
    reason: Mapped[str | None]
    forgiven: Mapped[bool] = mapped_column(Boolean, default=False)
    """Failed before a person let the campaign go on: not counted again."""
    operation_id: Mapped[UUID | None]
    next_at: Mapped[datetime]
    """When it is looked at again, while it waits."""
    waiting_since: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    def move(self, on: MemberEvent, *, at: datetime, code: str | None = None, reason: str | None = None) -> None:
        before, self.state = self.state, MEMBER.target(self.state, on)
        self.code, self.reason = code, reason
        if self.state is MemberState.WAITING and before is not MemberState.WAITING:
            self.waiting_since = self.waiting_since or at
        if self.state is MemberState.PENDING:
            self.waiting_since, self.operation_id, self.started_at, self.next_at = None, None, None, at
        self.finished_at = at if self.state in ENDED else None


class KnownBadPair(Base):
    """Going from one release to another broke: of one tenant, or, without one, of the fleet. Lifted by a person."""

    __tablename__ = "known_bad_pair"
    __table_args__ = (
        Index(
            "uq_known_bad_pair_in_force",
            "from_release",
            "to_release",
            text("coalesce(tenant_id, '00000000-0000-0000-0000-000000000000'::uuid)"),
            unique=True,
            postgresql_where=text("lifted_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    from_release: Mapped[str] = mapped_column(String(80))
    to_release: Mapped[str] = mapped_column(String(80))
    tenant_id: Mapped[UUID | None] = mapped_column(ForeignKey("tenant.id"))
    campaign_id: Mapped[UUID | None] = mapped_column(ForeignKey("campaign.id"))
    """The campaign in which it was noticed."""
    reason: Mapped[str]
    noted_at: Mapped[datetime]
    noted_by: Mapped[str] = mapped_column(String(120))
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None] = mapped_column(String(120))

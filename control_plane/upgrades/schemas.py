"""Upgrades as the API takes and shows them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from control_plane.releases.channels import Channel
from control_plane.revisions.changes import ModuleChange, changes_between
from control_plane.revisions.document import RevisionContent
from control_plane.tenants.models import Tenant
from control_plane.upgrades.service import Assessment

ReleaseName = Annotated[str, Field(min_length=1, max_length=80)]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class UpgradeRequest(Request):
    release: ReleaseName | None = None
    """Left out: the clinic's pin, or the newest of its channel."""
    override: bool = False
    """Set a pin, a yank, a channel or an age aside; never what the clinic's data forbids."""


class RehearsalRequest(Request):
    release: ReleaseName | None = None
    """Left out: the clinic's pin, or the newest of its channel."""


class ReleasePolicy(Request):
    pinned: ReleaseName | None = None
    """The only release the clinic may be moved to; null takes the pin away. Nothing is moved by this."""
    channel: Channel = Channel.STABLE


class PolicyOut(BaseModel):
    slug: str
    release: str
    """The one it is to run now."""
    pinned: str | None
    channel: Channel

    @classmethod
    def of(cls, tenant: Tenant, release: str) -> "PolicyOut":
        return cls(slug=tenant.slug, release=release, pinned=tenant.pinned_release, channel=tenant.channel)


class ObstacleOut(BaseModel):
    code: str
    why: str
    overridable: bool


class FitOut(BaseModel):
    """A release, and whether the clinic could be moved to it."""

    release: str
    core_version: str
    channel: Channel
    registered_at: datetime
    current: bool
    suits: bool
    obstacles: list[ObstacleOut]

    @classmethod
    def of(cls, found: Assessment) -> "FitOut":
        return cls(
            release=found.release.id,
            core_version=found.release.core_version,
            channel=found.release.channel,
            registered_at=found.release.registered_at,
            current=found.release.id == found.current.release_id,
            suits=not found.obstacles,
            obstacles=[ObstacleOut(code=one.code, why=one.why, overridable=one.overridable) for one in found.obstacles],
        )


class FitList(BaseModel):
    items: list[FitOut]


class UpgradePlanOut(FitOut):
    """What the same upgrade would change. Nothing was written."""

    modules: list[ModuleChange]

    @classmethod
    def planned(
        cls, found: Assessment, tenant: Tenant, before: RevisionContent, after: RevisionContent, prices: Mapping[str, Decimal]
    ) -> "UpgradePlanOut":
        changes = changes_between(before.modules, after.modules, frozenset(tenant.chosen), prices)
        return cls(**FitOut.of(found).model_dump(), modules=changes)

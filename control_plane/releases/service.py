"""Registering releases, and which one a tenant is planned with."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Select, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.platform import Platform
from control_plane.releases.catalogue import Catalogue
from control_plane.releases.channels import Channel
from control_plane.releases.errors import NoRelease, ReleaseGone, ReleaseUnknown
from control_plane.releases.models import NEXT_DESCRIBED, Release

_LOCK = 0x44500101


@dataclass(frozen=True, slots=True)
class Offer:
    """What a channel offers at a moment: releases of `channels` that were registered by `until`."""

    channels: tuple[Channel, ...] = (Channel.STABLE,)
    until: datetime | None = None

    @classmethod
    def of(cls, platform: Platform, channel: Channel = Channel.STABLE) -> Self:
        """The minimum age is the stable channel's: whoever chose `early` wants releases at once."""
        hours = platform.settings.release_minimum_age_hours if channel is Channel.STABLE else 0
        return cls(channel.takes, platform.clock.now() - timedelta(hours=hours))


async def register(
    session: AsyncSession,
    release_id: str,
    document: dict[str, Any],
    *,
    environment: Path | str,
    at: datetime,
    channel: Channel = Channel.STABLE,
) -> Release:
    """Make what was just described in `environment` the newest release. Describing the same there again changes nothing.

    `environment` is a folder of the platform's machine, or an image as `oci://registry/name@sha256:…`. A release that stood there before
    is found nowhere any more. `channel` counts for a release that is seen for the first time.
    Raises UnreadableRelease.
    """
    catalogue = Catalogue.parse(release_id, document)
    place = environment if isinstance(environment, str) else str(environment.absolute())
    # Two processes that describe at once agree on the order.
    await session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    known = await session.get(Release, release_id, populate_existing=True)
    if known is not None and known.environment == place:
        return known
    elsewhere = update(Release).where(Release.environment == place, Release.id != release_id)
    await session.execute(elsewhere.values(environment=None, replaced_by=release_id))
    values = {
        "id": release_id,
        "core_version": catalogue.core_version,
        "document": document,
        "registered_at": at,
        "channel": channel,
    }
    await session.execute(insert(Release).values(**values).on_conflict_do_nothing())
    here = {"described": text(NEXT_DESCRIBED.text), "environment": place, "replaced_by": None}
    await session.execute(update(Release).where(Release.id == release_id).values(**here))
    return await session.get_one(Release, release_id, populate_existing=True)


async def newest(session: AsyncSession, offer: Offer) -> Release:
    """The release a new tenant gets: the last described of those on offer. Raises NoRelease.

    Where all are too young, the oldest of them has to do: a platform just made would otherwise have none.
    """
    aged = _offered(offer).where(Release.registered_at <= offer.until) if offer.until is not None else _offered(offer)
    release = await session.scalar(aged.order_by(Release.described.desc()).limit(1))
    if release is None:
        release = await session.scalar(_offered(offer).order_by(Release.registered_at, Release.described).limit(1))
    if release is None:
        raise NoRelease
    return release


def _offered(offer: Offer) -> Select[Release]:
    return select(Release).where(Release.environment.is_not(None), Release.yanked_at.is_(None), Release.channel.in_(offer.channels))


async def present(session: AsyncSession) -> list[Release]:
    """The releases some environment holds, the last described first."""
    return list(await session.scalars(select(Release).where(Release.environment.is_not(None)).order_by(Release.described.desc())))


async def find(session: AsyncSession, release_id: str) -> Release | None:
    return await session.get(Release, release_id)


async def get(session: AsyncSession, release_id: str, *, lock: bool = False) -> Release:
    """Raises ReleaseUnknown."""
    release = await session.get(Release, release_id, with_for_update=lock or None, populate_existing=lock)
    if release is None:
        raise ReleaseUnknown(release_id)
    return release


async def yank(session: AsyncSession, release_id: str, reason: str, *, at: datetime) -> Release:
    """Keep a release from every tenant that does not run it yet. Repeated, it changes the reason. Raises ReleaseUnknown."""
    release = await get(session, release_id, lock=True)
    release.yanked_at, release.yanked_reason = release.yanked_at or at, reason
    return release


async def usable(session: AsyncSession, release_id: str) -> Release:
    """A release that some environment holds. Raises ReleaseUnknown, ReleaseGone."""
    release = await get(session, release_id)
    if release.environment is None:
        raise ReleaseGone(release_id, release.replaced_by)
    return release


async def release_for(session: AsyncSession, offer: Offer, *, pinned: str | None, current: str | None) -> Release:
    """The release a tenant is planned with: the one it has while an environment holds it, else its pin, else the newest on offer.

    A change of modules is no upgrade, so a tenant stays where it is. Raises NoRelease, ReleaseUnknown, ReleaseGone.
    """
    if current is not None and (present := await standing_in_for(session, current)) is not None:
        return present
    return await usable(session, pinned) if pinned is not None else await newest(session, offer)


async def standing_in_for(session: AsyncSession, release_id: str) -> Release | None:
    """This release, or the one its environment was changed into; None where neither is held by any environment."""
    seen: set[str] = set()
    release = await session.get(Release, release_id)
    while release is not None and release.environment is None:
        seen.add(release.id)
        if release.replaced_by is None or release.replaced_by in seen:
            return None
        release = await session.get(Release, release.replaced_by)
    return release


async def environment_of(session: AsyncSession, release_id: str) -> str | None:
    """The environment to start a tenant of this release in; None where none holds it, and the platform's own has to do."""
    release = await standing_in_for(session, release_id)
    return release.environment if release is not None else None


def catalogue_of(release: Release) -> Catalogue:
    return Catalogue.parse(release.id, release.document)

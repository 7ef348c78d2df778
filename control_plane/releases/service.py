"""Registering releases, and which one a tenant is planned with."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.releases.catalogue import Catalogue
from control_plane.releases.errors import NoRelease, ReleaseUnknown
from control_plane.releases.models import NEXT_DESCRIBED, Release

_LOCK = 0x44500101


async def register(session: AsyncSession, release_id: str, document: dict[str, Any], *, at: datetime) -> Release:
    """Make what was just described the newest release. Describing the same again changes nothing. Raises UnreadableRelease."""
    catalogue = Catalogue.parse(release_id, document)
    # Two processes that describe at once agree on the order.
    await session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    newest = await _newest(session)
    if newest is not None and newest.id == release_id:
        return newest
    values = {"id": release_id, "core_version": catalogue.core_version, "document": document, "registered_at": at}
    await session.execute(insert(Release).values(**values).on_conflict_do_nothing())
    await session.execute(update(Release).where(Release.id == release_id).values(described=text(NEXT_DESCRIBED.text)))
    return await session.get_one(Release, release_id, populate_existing=True)


async def _newest(session: AsyncSession) -> Release | None:
    return await session.scalar(select(Release).order_by(Release.described.desc()).limit(1))


async def newest(session: AsyncSession) -> Release:
    """The release last described. Raises NoRelease."""
    release = await _newest(session)
    if release is None:
        raise NoRelease
    return release


async def release_for(session: AsyncSession, pinned: str | None) -> Release:
    """The release a tenant is planned with: the one it is pinned to, else the newest. Raises NoRelease, ReleaseUnknown."""
    if pinned is None:
        return await newest(session)
    release = await session.get(Release, pinned)
    if release is None:
        raise ReleaseUnknown(pinned)
    return release


def catalogue_of(release: Release) -> Catalogue:
    return Catalogue.parse(release.id, release.document)

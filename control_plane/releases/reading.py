"""The catalogues of releases, read once per process: a release is named by the digest of what it is, so it never changes."""

from collections import OrderedDict
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.releases.catalogue import Catalogue
from control_plane.releases.errors import ReleaseUnknown
from control_plane.releases.models import Release

KEPT: Final = 32
"""Releases a fleet runs at a time, and some more."""


class Catalogues:
    def __init__(self) -> None:
        self._read: OrderedDict[str, Catalogue] = OrderedDict()

    async def of(self, session: AsyncSession, release_id: str) -> Catalogue:
        """Raises ReleaseUnknown, UnreadableRelease."""
        known = self._read.get(release_id)
        if known is None:
            release = await session.get(Release, release_id)
            if release is None:
                raise ReleaseUnknown(release_id)
            known = self._read[release_id] = Catalogue.parse(release.id, release.document)
            if len(self._read) > KEPT:
                self._read.popitem(last=False)
        else:
            self._read.move_to_end(release_id)
        return known

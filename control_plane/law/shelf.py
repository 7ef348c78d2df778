"""The packs that are in use: editions from the database, read once each; before the first publication, the files of the product."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.compliance.loading import Packs, assemble, official_packs
from control_plane.compliance.schema import Pack
from control_plane.law.models import Edition, PackVersion


@dataclass(frozen=True)
class Law:
    """All packs as published together. No number: those of the product's files, while nothing is published."""

    number: int | None
    packs: Packs


class Shelf:
    """Editions never change, so each is read once per process. `newest` is the last one this process has heard of."""

    def __init__(self) -> None:
        self._known: dict[int, Law] = {}
        self.newest = Law(None, official_packs())

    async def current(self, session: AsyncSession) -> Law:
        """The edition published last."""
        self.newest = await self.edition(session, await session.scalar(select(func.max(Edition.number))))
        return self.newest

    async def edition(self, session: AsyncSession, number: int | None) -> Law:
        """An edition by number; None is what the product brings."""
        if number is None:
            return Law(None, official_packs())
        known = self._known.get(number)
        if known is None:
            row = (await session.scalars(select(Edition).where(Edition.number == number))).one()
            known = self._known[number] = Law(number, await packs_of(session, row.versions))
        return known


async def packs_of(session: AsyncSession, versions: dict[str, str]) -> Packs:
    """The packs with these digests, by jurisdiction. They were checked when they were stored."""
    rows = await session.scalars(select(PackVersion).where(PackVersion.digest.in_(versions.values())))
    found = {row.jurisdiction: Pack.model_validate(row.document) for row in rows if versions.get(row.jurisdiction) == row.digest}
    return assemble(found)

"""Pairs of releases that broke: noted when a member fails, asked before the next one begins, lifted by a person."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.campaigns.models import KnownBadPair


@dataclass(frozen=True)
class KnownBad:
    """What is known of going to one release."""

    fleet: dict[str, str] = field(default_factory=dict)
    """Reason by the release that is left."""
    tenants: dict[tuple[UUID, str], str] = field(default_factory=dict)

    def why(self, tenant_id: UUID, from_release: str) -> str | None:
        """Why this tenant must not be moved; None where nothing is known against it."""
        if (known := self.tenants.get((tenant_id, from_release))) is not None:
            return f"It failed there before: {known}"
        if (known := self.fleet.get(from_release)) is not None:
            return f"Going there from its release is known to break: {known}"
        return None


async def known(session: AsyncSession, to_release: str) -> KnownBad:
    found = KnownBad()
    for pair in await session.scalars(select(KnownBadPair).where(KnownBadPair.to_release == to_release, KnownBadPair.lifted_at.is_(None))):
        if pair.tenant_id is None:
            found.fleet[pair.from_release] = pair.reason
        else:
            found.tenants[pair.tenant_id, pair.from_release] = pair.reason
    return found


async def note(
    session: AsyncSession,
    from_release: str,
    to_release: str,
    reason: str,
    *,
    actor: Actor,
    at: datetime,
    tenant_id: UUID | None = None,
    campaign_id: UUID | None = None,
) -> None:
    """Remember that this broke; nothing where it is known already."""
    values = {
        "from_release": from_release,
        "to_release": to_release,
        "tenant_id": tenant_id,
        "campaign_id": campaign_id,
        "reason": reason,
        "noted_at": at,
        "noted_by": actor.label,
    }
    await session.execute(insert(KnownBadPair).values(**values).on_conflict_do_nothing())


async def lift(session: AsyncSession, pairs: Iterable[KnownBadPair], *, actor: Actor, at: datetime) -> None:
    """Let members go that way again."""
    numbers = [pair.id for pair in pairs]
    await session.execute(update(KnownBadPair).where(KnownBadPair.id.in_(numbers)).values(lifted_at=at, lifted_by=actor.label))


async def of_fleet(session: AsyncSession, from_release: str, to_release: str) -> KnownBadPair:
    """The pair in force that holds for all."""
    wanted = select(KnownBadPair).where(
        KnownBadPair.from_release == from_release,
        KnownBadPair.to_release == to_release,
        KnownBadPair.tenant_id.is_(None),
        KnownBadPair.lifted_at.is_(None),
    )
    return (await session.scalars(wanted)).one()

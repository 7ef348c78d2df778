"""Asking for an upgrade: what speaks against it, what it would change, and the operation that does it.

The revision is written by the operation's first step, once the clinic's runtime has proved what it holds now.
"""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.deployers.base import Attestation
from control_plane.errors import DomainError, TemporaryError
from control_plane.platform import Platform
from control_plane.releases import service as releases
from control_plane.releases.models import Release
from control_plane.revisions import service as revisions
from control_plane.revisions.models import Revision
from control_plane.tenants.models import ObservedTenant, Tenant
from control_plane.upgrades.fitness import Installed, Obstacle, obstacles, reservations


@dataclass(frozen=True)
class Assessment:
    """A release for a tenant: the revision it would get, where it can be planned, and all that speaks against it."""

    release: Release
    current: Revision
    proposal: revisions.Proposal | None
    obstacles: tuple[Obstacle, ...]

    @property
    def hard(self) -> tuple[Obstacle, ...]:
        return tuple(one for one in self.obstacles if not one.overridable)


async def target_for(session: AsyncSession, platform: Platform, tenant: Tenant, release_id: str | None) -> Release:
    """The release named, else the tenant's pin, else the newest of its channel. Raises NoRelease, ReleaseUnknown."""
    wanted = release_id or tenant.pinned_release
    if wanted is not None:
        return await releases.get(session, wanted)
    return await releases.newest(session, releases.Offer.of(platform, tenant.channel))


async def assess(session: AsyncSession, platform: Platform, tenant: Tenant, release: Release) -> Assessment:
    """Whether this tenant can be moved to `release`, by what its runtime proved last. Writes nothing; raises TemporaryError only."""
    current = await revisions.desired(session, tenant)
    if release.environment is None:
        gone = Obstacle("release_gone", "No environment holds the release any more. Register one that does.")
        return Assessment(release, current, None, (gone,))
    found = list(reservations(release, releases.Offer.of(platform, tenant.channel), pinned=tenant.pinned_release))
    seen = await session.get(ObservedTenant, tenant.id)
    if seen is None or seen.attestation is None:
        found.append(Obstacle("never_attested", "The clinic's runtime never said what it holds. Wait until it serves."))
    else:
        installed = Installed.of(Attestation.model_validate(seen.attestation))
        made_by = releases.catalogue_of(await releases.get(session, seen.attestation.get("release_id") or current.release_id))
        found += obstacles(installed, releases.catalogue_of(release), made_by)
    proposal = None
    try:
        standing = await revisions.standing_of(session, tenant)
        proposal = await revisions.propose(session, platform, tenant, frozenset(tenant.chosen), standing, release=release.id)
    except TemporaryError:
        raise
    except DomainError as error:
        if not found:
            found.append(Obstacle(error.code, error.message))
    return Assessment(release, current, proposal, tuple(found))


async def before(session: AsyncSession, tenant: Tenant, release_id: str) -> Revision | None:
    """The tenant's newest revision on another release than this one: what an upgrade to it goes back to."""
    query = select(Revision).where(Revision.tenant_id == tenant.id, Revision.release_id != release_id)
    return await session.scalar(query.order_by(Revision.generation.desc()).limit(1))

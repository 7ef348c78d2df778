"""Asking for an upgrade: what speaks against it, what it would change, and the operation that does it.

The revision is written by the operation's first step, once the clinic's runtime has proved what it holds now.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.audit import service as audit
from control_plane.deployers.base import Attestation
from control_plane.errors import DomainError, TemporaryError
from control_plane.operations import service as operations
from control_plane.operations.kinds import OperationKind
from control_plane.operations.models import Operation
from control_plane.platform import Platform
from control_plane.releases import service as releases
from control_plane.releases.models import Release
from control_plane.revisions import service as revisions
from control_plane.revisions.models import Revision
from control_plane.tenants.models import ObservedTenant, Tenant
from control_plane.tenants.states import TenantState
from control_plane.upgrades.errors import NotUpgradable, ReleaseUnfit
from control_plane.upgrades.fitness import Installed, Obstacle, obstacles, reservations

_AT_REST: Final = frozenset({TenantState.ACTIVE, TenantState.DEGRADED})


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


async def assess(
    session: AsyncSession, platform: Platform, tenant: Tenant, release: Release, *, proof: Attestation | None = None
) -> Assessment:
    """Whether this tenant can be moved to `release`, by this proof or the last seen. Writes nothing; raises TemporaryError only."""
    current = await revisions.desired(session, tenant)
    if release.environment is None:
        gone = Obstacle("release_gone", "No environment holds the release any more. Register one that does.")
        return Assessment(release, current, None, (gone,))
    found = list(reservations(release, releases.Offer.of(platform, tenant.channel), pinned=tenant.pinned_release))
    proof = proof or await _last_proof(session, tenant)
    if proof is None:
        found.append(Obstacle("never_attested", "The clinic's runtime never said what it holds. Wait until it serves."))
    else:
        made_by = await releases.find(session, proof.release_id or current.release_id) or await releases.get(session, current.release_id)
        found += obstacles(Installed.of(proof), releases.catalogue_of(release), releases.catalogue_of(made_by))
    proposal = None
    try:
        standing = await revisions.standing_of(session, tenant)
        proposal = await revisions.propose(session, platform, tenant, frozenset(tenant.chosen), standing, release=release.id)
    except TemporaryError:
        raise
    except DomainError as error:
        if all(one.overridable for one in found):
            found.append(Obstacle(error.code, error.message))
    return Assessment(release, current, proposal, tuple(found))


async def _last_proof(session: AsyncSession, tenant: Tenant) -> Attestation | None:
    seen = await session.get(ObservedTenant, tenant.id)
    return Attestation.model_validate(seen.attestation) if seen is not None and seen.attestation is not None else None


async def upgrade(
    session: AsyncSession,
    platform: Platform,
    tenant: Tenant,
    release_id: str | None,
    *,
    actor: Actor,
    override: bool = False,
    params: Mapping[str, Any] | None = None,
) -> Operation | None:
    """Begin to move the tenant, which is locked, to a release; None where it is there already and nothing is stuck.

    `override` sets our own rules aside (a pin, a yank, a channel, an age), never facts. `params` travel with the operation.
    Raises ReleaseUnfit, TenantBusy, NotUpgradable, NoRelease, ReleaseUnknown.
    """
    if tenant.state not in _AT_REST:
        raise NotUpgradable(tenant.slug, tenant.state)
    await operations.refuse_busy(session, tenant)
    now = platform.clock.now()
    release = await target_for(session, platform, tenant, release_id)
    found = await assess(session, platform, tenant, release)
    if found.current.release_id == release.id and tenant.state is TenantState.ACTIVE:
        return None
    stopping = found.hard if override else found.obstacles
    if stopping:
        raise ReleaseUnfit(tenant.slug, release.id, stopping)
    set_aside = [one.code for one in found.obstacles]
    asked = {"release": release.id, "from": found.current.release_id, **(params or {})}
    audit.record(
        session, actor, "tenant.upgrade_asked", at=now, tenant_id=tenant.id, **asked, **({"override": set_aside} if set_aside else {})
    )
    return await operations.start(session, tenant, OperationKind.UPGRADE, actor=actor, at=now, params=asked)


async def rehearse(session: AsyncSession, platform: Platform, tenant: Tenant, release_id: str | None, *, actor: Actor) -> Operation:
    """Begin to try a release on a copy of the tenant's newest backup, beside whatever it does.

    The operation's result says what came of it. Raises NoRelease, ReleaseUnknown, ReleaseGone, NotUpgradable.
    """
    if tenant.state not in _AT_REST:
        raise NotUpgradable(tenant.slug, tenant.state)
    release = await releases.usable(session, (await target_for(session, platform, tenant, release_id)).id)
    now = platform.clock.now()
    audit.record(session, actor, "tenant.rehearsal_asked", at=now, tenant_id=tenant.id, release=release.id)
    return await operations.start(session, tenant, OperationKind.REHEARSE, actor=actor, at=now, params={"release": release.id})


async def before(session: AsyncSession, tenant: Tenant, release_id: str) -> Revision | None:
    """The tenant's newest revision on another release than this one: what an upgrade to it goes back to."""
    query = select(Revision).where(Revision.tenant_id == tenant.id, Revision.release_id != release_id)
    return await session.scalar(query.order_by(Revision.generation.desc()).limit(1))

"""Planning every tenant anew without writing, and asking its place whether repeating what runs would start another process."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.deployers.base import DeployerUnavailable, Renders
from control_plane.errors import DomainError, TemporaryError
from control_plane.platform import Platform
from control_plane.releases import service as releases
from control_plane.releases.models import Release
from control_plane.revisions import service as revisions
from control_plane.revisions.document import RevisionContent, parse
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState
from control_plane.upgrades import service as upgrades

BATCH: Final = 200
LIVING: Final = (TenantState.ACTIVE, TenantState.CHANGING, TenantState.DEGRADED)


class Touch(StrEnum):
    RESTARTS = "restarts"
    """Another process is started as soon as a worker of this version looks at it, or, for a release, once it is moved."""
    PLANNED = "planned"
    """Its next plan has another effect: it restarts with the next change, law date or campaign."""
    REWORDED = "reworded"
    """Its next revision says the same in other words; nothing restarts."""
    REFUSED = "refused"
    """It cannot be planned so; it stays as it is, with the reason."""
    UNTOUCHED = "untouched"


@dataclass(frozen=True, slots=True)
class Touched:
    slug: str
    touch: Touch
    why: tuple[str, ...] = ()


async def measure(platform: Platform, release_id: str | None = None, *, after: str = "", most: int | None = None) -> AsyncIterator[Touched]:
    """Every living tenant, by slug: what deploying this version would do to it; with a release, what moving it there would.

    Those behind the slug `after`, and at most so many, where that is said. Raises ReleaseUnknown.
    """
    last, left = after, most
    while True:
        size = BATCH if left is None else min(BATCH, left)
        async with platform.database.transaction() as session:
            await session.execute(text("SET TRANSACTION READ ONLY"))
            release = await releases.get(session, release_id) if release_id is not None else None
            query = select(Tenant).where(Tenant.state.in_(LIVING), Tenant.slug > last).order_by(Tenant.slug).limit(size)
            tenants = list(await session.scalars(query))
            found = [
                await _move(session, platform, tenant, release) if release else await _plan(session, platform, tenant) for tenant in tenants
            ]
        if release is None:
            found = await _with_restarts(platform, tenants, found)
        for one in found:
            yield one
        left = None if left is None else left - len(tenants)
        if len(tenants) < size or left == 0:
            return
        last = tenants[-1].slug


async def _move(session: AsyncSession, platform: Platform, tenant: Tenant, release: Release) -> Touched:
    found = await upgrades.assess(session, platform, tenant, release)
    if found.obstacles:
        return Touched(tenant.slug, Touch.REFUSED, tuple(one.why for one in found.obstacles))
    assert found.proposal is not None
    before = parse(found.current.document)
    if found.proposal.content.effect == found.current.effect:
        return Touched(tenant.slug, Touch.UNTOUCHED)
    return Touched(tenant.slug, Touch.RESTARTS, tuple(differences(before, found.proposal.content)))


async def _plan(session: AsyncSession, platform: Platform, tenant: Tenant) -> Touched:
    desired = await revisions.desired(session, tenant)
    before = parse(desired.document)
    try:
        standing = await revisions.standing_of(session, tenant)
        content = (await revisions.propose(session, platform, tenant, frozenset(tenant.chosen), standing)).content
    except TemporaryError:
        raise
    except DomainError as error:
        return Touched(tenant.slug, Touch.REFUSED, (error.message,))
    if content.effect != desired.effect:
        return Touched(tenant.slug, Touch.PLANNED, tuple(differences(before, content)))
    if not content.same_but_generation(before):
        return Touched(tenant.slug, Touch.REWORDED)
    return Touched(tenant.slug, Touch.UNTOUCHED)


def differences(before: RevisionContent, after: RevisionContent) -> Iterable[str]:
    """What changes the effect, in words. Pure."""
    if before.release.id != after.release.id:
        yield f"release {before.release.id} becomes {after.release.id}"
    old, new = ({module.name: module.version for module in one.modules} for one in (before, after))
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield f"{name} {old.get(name) or 'absent'} becomes {new.get(name) or 'absent'}"
    law, law_after = ({one.id: one.status for one in content.compliance.obligations} for content in (before, after))
    for name in sorted(law.keys() | law_after.keys()):
        if law.get(name) != law_after.get(name):
            yield f"the obligation {name} is {law_after.get(name) or 'no more'}"
    for what in ("mode", "limits"):
        if getattr(before, what) != getattr(after, what):
            yield f"{what} changes"
    if before.platform.public_key != after.platform.public_key:
        yield "the platform's public key changes"


async def _with_restarts(platform: Platform, tenants: Sequence[Tenant], found: list[Touched]) -> list[Touched]:
    """`found`, with those marked that repeating what was applied would restart."""
    deployer = platform.deployer
    if not isinstance(deployer, Renders):
        return found

    async def restarts(tenant: Tenant) -> bool:
        databases = await platform.databases_for(tenant)
        try:
            return await deployer.would_restart(tenant.id, databases.address(tenant.id, tenant.password_serial))
        except DeployerUnavailable:
            return False

    answers = await asyncio.gather(*(restarts(tenant) for tenant in tenants))
    why = "its place renders what it runs differently than it did"
    return [Touched(one.slug, Touch.RESTARTS, (why, *one.why)) if again else one for one, again in zip(found, answers, strict=True)]

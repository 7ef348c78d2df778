"""Publishing packs: drafted from the product's files or an upload, shown with their effect, published, and brought about by a campaign.

A tenant keeps the edition it was planned with until its campaign reaches it; those whose effect does not change get the new one at once,
which restarts nobody.
"""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.audit import service as audit
from control_plane.campaigns import service as campaigns
from control_plane.campaigns.change import Change
from control_plane.campaigns.schemas import NewCampaign, Selection
from control_plane.campaigns.strategy import Strategy
from control_plane.compliance.errors import MalformedPack
from control_plane.compliance.loading import digest, official_packs, problems_of, read_pack
from control_plane.compliance.schema import Pack
from control_plane.law.applying import LAW
from control_plane.law.effects import Effect, effect_of
from control_plane.law.errors import BadPack, EditionOutdated, EffectChanged, NothingChanges, UnknownEdition
from control_plane.law.judging import EDITION_WAITS
from control_plane.law.models import Edition, PackVersion
from control_plane.law.schemas import Publication
from control_plane.law.shelf import packs_of
from control_plane.law.states import MACHINE, EditionEvent, EditionState
from control_plane.platform import Platform
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState

OFFICIAL, UPLOAD = "official", "upload"
_LOCK = 0x44500102


async def bring_in_official(session: AsyncSession, platform: Platform) -> Edition | None:
    """The product's packs: published at once where nothing ever was, and offered as a draft where they differ from what is in use.

    None where there is nothing to do. A new version of the product never changes the law of a tenant by itself.
    """
    await session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    packs = official_packs()
    ours = {id_: digest(pack) for id_, pack in packs.by_id.items()}
    newest = await _newest(session)
    if newest is None:
        await _store(session, packs.by_id, OFFICIAL, LAW, platform)
        edition = _edition(platform, ours, sorted(ours), "the packs of the product", LAW)
        session.add(edition)
        await session.flush()
        _publish(platform, edition, 1, LAW)
        await session.flush()
        await session.execute(update(Tenant).where(Tenant.law_edition.is_(None)).values(law_edition=1))
        return edition
    shipped = select(PackVersion.jurisdiction, PackVersion.digest).where(PackVersion.origin == OFFICIAL)
    known = {(row[0], row[1]) for row in await session.execute(shipped)}
    fresh = {id_: pack for id_, pack in packs.by_id.items() if (id_, ours[id_]) not in known and newest.versions.get(id_) != ours[id_]}
    if not fresh:
        return None
    return await draft(session, platform, fresh, origin=OFFICIAL, note="came with a new version of the product", actor=LAW)


async def draft_texts(session: AsyncSession, platform: Platform, texts: list[str], *, note: str | None, actor: Actor) -> Edition:
    """A draft from uploaded packs. Raises BadPack, NothingChanges."""
    packs: dict[str, Pack] = {}
    for number, text in enumerate(texts, start=1):
        try:
            pack = read_pack(text, f"packs[{number - 1}]")
        except MalformedPack as error:
            raise BadPack([f"packs[{number - 1}]: {problem}" for problem in error.problems]) from error
        if pack.jurisdiction in packs:
            raise BadPack([f"{pack.jurisdiction} is given twice: join the two"])
        packs[pack.jurisdiction] = pack
    return await draft(session, platform, packs, origin=UPLOAD, note=note, actor=actor)


async def draft(
    session: AsyncSession, platform: Platform, changed: Mapping[str, Pack], *, origin: str, note: str | None, actor: Actor
) -> Edition:
    """The newest edition with these packs in place of its own, checked as a whole. Raises BadPack, NothingChanges."""
    newest = await _newest(session)
    base = await packs_of(session, newest.versions) if newest else official_packs()
    together = {**base.by_id, **changed}
    if problems := [f"{id_}: {one}" for id_, found in problems_of(together).items() for one in found]:
        raise BadPack(problems)
    versions = {id_: digest(pack) for id_, pack in together.items()}
    before = {id_: digest(pack) for id_, pack in base.by_id.items()}
    differing = sorted(id_ for id_ in changed if versions[id_] != before.get(id_))
    if not differing:
        raise NothingChanges
    await _store(session, changed, origin, actor, platform)
    edition = _edition(platform, versions, differing, note, actor)
    session.add(edition)
    await session.flush()
    audit.record(session, actor, "law.drafted", at=platform.clock.now(), edition=str(edition.id), packs=differing, origin=origin)
    return edition


async def effect(session: AsyncSession, platform: Platform, edition: Edition) -> Effect:
    """What publishing a draft would do by now."""
    newest = await _newest(session)
    packs = await packs_of(session, edition.versions)
    return await effect_of(session, platform, packs, edition.changed, (newest.number or 0) if newest else 0)


async def publish(session: AsyncSession, platform: Platform, edition: Edition, told: Publication, *, actor: Actor) -> Edition:
    """Put a draft in force, if its effect is still the one that was seen, and make a campaign of those it restarts.

    `edition` is locked. Raises IllegalTransition, EditionOutdated, EffectChanged.
    """
    await session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    MACHINE.target(edition.state, EditionEvent.PUBLISHED)
    newest = await _newest(session)
    unchanged = {id_: one for id_, one in (newest.versions if newest else {}).items() if id_ not in edition.changed}
    if any(edition.versions.get(id_) != one for id_, one in unchanged.items()):
        raise EditionOutdated(edition.id)
    found = await effect(session, platform, edition)
    if found.digest != told.seen:
        raise EffectChanged(found.digest)
    number = (newest.number or 0) + 1 if newest else 1
    _publish(platform, edition, number, actor)
    edition.effect = {**found.shown(), "digest": found.digest}
    await session.flush()
    await _spread(session, platform, edition, found)
    if found.restarts:
        edition.campaign_id = await _campaign(session, platform, edition, found, told.strategy, actor=actor)
    audit.record(
        session,
        actor,
        "law.published",
        at=platform.clock.now(),
        edition=number,
        packs=edition.changed,
        restarts=len(found.restarts),
        answers=len(found.answers),
        problems=len(found.problems),
        campaign=str(edition.campaign_id) if edition.campaign_id else None,
    )
    await session.flush()
    return edition


async def _spread(session: AsyncSession, platform: Platform, edition: Edition, found: Effect) -> None:
    """Bring everybody to the new edition whom it does not restart, and look at the coming dates of those it says something new to."""
    now = platform.clock.now()
    waiting = [one.tenant_id for one in (*found.restarts, *found.problems)]
    answered = [one.tenant_id for one in found.answers]
    # Those further behind were looked at one by one; one that waits for a person is not brought here by waiting still.
    left_behind = and_(Tenant.id.in_([*found.unaffected, *answered]), func.coalesce(Tenant.law_problem_code, "") != EDITION_WAITS)
    before = or_(Tenant.law_edition.is_(None), Tenant.law_edition == (edition.number or 1) - 1, left_behind)
    await session.execute(update(Tenant).where(before, Tenant.id.not_in(waiting)).values(law_edition=edition.number))
    await session.execute(update(Tenant).where(Tenant.id.in_(answered)).values(law_due_at=now))
    for one in found.problems:
        why = f"The edition {edition.number} of the packs cannot be brought about: {one.problem}"
        await session.execute(update(Tenant).where(Tenant.id == one.tenant_id).values(law_problem=why, law_problem_code=EDITION_WAITS))


async def _campaign(
    session: AsyncSession, platform: Platform, edition: Edition, found: Effect, strategy: Strategy, *, actor: Actor
) -> UUID:
    restarted = Selection(slugs=tuple(one.slug for one in found.restarts))
    new = NewCampaign(name=f"Packs of {', '.join(edition.changed)}", change=Change.LAW, tenants=restarted, strategy=strategy)
    campaign = await campaigns.create(session, platform, new, actor=actor, key=f"law-edition-{edition.number}")
    await campaigns.start(session, platform, campaign, actor=actor)
    return campaign.id


async def discard(session: AsyncSession, platform: Platform, edition: Edition, *, actor: Actor) -> None:
    """Throw a draft away. Raises IllegalTransition."""
    edition.state = MACHINE.target(edition.state, EditionEvent.DISCARDED)
    audit.record(session, actor, "law.discarded", at=platform.clock.now(), edition=str(edition.id), packs=edition.changed)
    await session.flush()


async def get(session: AsyncSession, edition_id: UUID, *, lock: bool = False) -> Edition:
    """Raises UnknownEdition."""
    edition = await session.get(Edition, edition_id, with_for_update=lock or None, populate_existing=lock)
    if edition is None:
        raise UnknownEdition(edition_id)
    return edition


async def behind(session: AsyncSession, edition: Edition) -> int:
    """How many living tenants have not come to this edition yet."""
    older = or_(Tenant.law_edition.is_(None), Tenant.law_edition < edition.number)
    count = await session.scalar(select(func.count()).select_from(Tenant).where(Tenant.state != TenantState.DELETED, older))
    return count or 0


async def _newest(session: AsyncSession) -> Edition | None:
    return await session.scalar(select(Edition).where(Edition.state == EditionState.PUBLISHED).order_by(Edition.number.desc()).limit(1))


def _edition(platform: Platform, versions: Mapping[str, str], changed: list[str], note: str | None, actor: Actor) -> Edition:
    return Edition(
        state=EditionState.DRAFT,
        versions=dict(versions),
        changed=changed,
        note=note,
        created_at=platform.clock.now(),
        created_by=actor.label,
    )


def _publish(platform: Platform, edition: Edition, number: int, actor: Actor) -> None:
    edition.state = MACHINE.target(edition.state, EditionEvent.PUBLISHED)
    edition.number, edition.published_at, edition.published_by = number, platform.clock.now(), actor.label


async def _store(session: AsyncSession, packs: Mapping[str, Pack], origin: str, actor: Actor, platform: Platform) -> None:
    rows = [
        {
            "jurisdiction": id_,
            "digest": digest(pack),
            "document": pack.model_dump(mode="json"),
            "origin": origin,
            "created_at": platform.clock.now(),
            "created_by": actor.label,
        }
        for id_, pack in packs.items()
    ]
    await session.execute(insert(PackVersion).values(rows).on_conflict_do_nothing())

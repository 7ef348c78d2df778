"""Reading and writing revisions. Rows only ever are added, with a rising generation; the caller holds the tenant's row."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.compliance.history import History
from control_plane.compliance.matching import match
from control_plane.compliance.requirements import Requirements
from control_plane.errors import DomainError
from control_plane.law.judging import judge
from control_plane.law.shelf import Law
from control_plane.operations.kinds import StepName
from control_plane.operations.models import Operation, OperationStep
from control_plane.platform import Platform
from control_plane.releases import service as releases
from control_plane.releases.catalogue import Catalogue
from control_plane.releases.channels import Channel
from control_plane.releases.models import Release
from control_plane.revisions.document import (
    ClinicPart,
    CompliancePart,
    DemoPart,
    IsolatedPart,
    OwnerPart,
    PlatformPart,
    RevisionContent,
    TenantPart,
    compliance_part,
    module_parts,
    parse,
    release_part,
)
from control_plane.revisions.models import Revision
from control_plane.revisions.planner import NOTHING, ModuleSet, Standing, plan_modules
from control_plane.standing.terms import terms_of
from control_plane.tenants.models import ObservedTenant, Tenant

_INSTALLED: Final = frozenset({"installed", "disabled", "to_upgrade", "to_remove"})
"""States in which a module's tables are there (seeds §5)."""


@dataclass(frozen=True)
class Proposal:
    """What a tenant would be told to run, before anything is written."""

    content: RevisionContent
    modules: ModuleSet
    requirements: Requirements
    catalogue: Catalogue
    law: Law


async def propose(
    session: AsyncSession,
    platform: Platform,
    tenant: Tenant,
    chosen: frozenset[str],
    standing: Standing = NOTHING,
    *,
    release: str | None = None,
    same_release: bool = False,
    law: Law | None = None,
    history: History | None = None,
) -> Proposal:
    """The next revision of a tenant, should it choose these modules today. Writes nothing. Raises what planning raises, and ConflictingLaw.

    Planned with `release` where one is named, with the one it has where that must stay, else with the one the tenant has or gets by itself
    (`releases.service.release_for`); by the tenant's own edition of the packs and its own statements, unless others are given.
    """
    catalogue = releases.catalogue_of(await _release_of(session, platform, tenant, release, same=same_release))
    judged = await judge(session, platform, tenant, law=law, history=history)
    requirements = judged.requirements
    requirements.refuse_conflicts()
    installed = {name: catalogue.modules[name] for name in standing.installed if name in catalogue.modules}
    modules = plan_modules(chosen, catalogue, requirements, replace(standing, locks=judged.locks(installed)))
    content = RevisionContent(
        generation=tenant.generation + 1,
        tenant=TenantPart(id=tenant.id, slug=tenant.slug, name=tenant.name),
        release=release_part(catalogue),
        modules=module_parts(modules),
        clinic=clinic_part(tenant, requirements),
        owner=OwnerPart(email=tenant.owner_email),
        compliance=compliance_part(requirements, modules),
        isolated=await _isolated_part(session, tenant),
        demo=_demo_part(tenant),
        platform=PlatformPart(url=platform.settings.public_url.rstrip("/"), public_key=platform.key.public),
    )
    terms = await terms_of(session, platform, tenant.id, content.clinic)
    return Proposal(terms.applied(content), modules, requirements, catalogue, judged.law)


async def _isolated_part(session: AsyncSession, tenant: Tenant) -> IsolatedPart | None:
    """That it is a copy, as every revision of a copy must say."""
    if tenant.copy_of is None:
        return None
    original = await session.get_one(Tenant, tenant.copy_of)
    return IsolatedPart(tenant_id=original.id, of=original.slug, taken_at=tenant.copy_taken_at, until=tenant.copy_until)


def _demo_part(tenant: Tenant) -> DemoPart | None:
    if tenant.demo_until is None or tenant.demo_language is None:
        return None
    return DemoPart(until=tenant.demo_until, language=tenant.demo_language)


async def _release_of(session: AsyncSession, platform: Platform, tenant: Tenant, asked: str | None, *, same: bool = False) -> Release:
    if same and tenant.generation:
        # What it has goes on as it is, also where nobody may be brought to it any more.
        return await releases.get(session, (await desired(session, tenant)).release_id)
    if asked is not None:
        return await releases.usable(session, asked)
    current = (await desired(session, tenant)).release_id if tenant.generation else None
    offer = releases.Offer.of(platform, tenant.channel or Channel.STABLE)
    return await releases.release_for(session, offer, pinned=tenant.pinned_release, current=current)


async def compliance_today(session: AsyncSession, platform: Platform, tenant: Tenant, content: RevisionContent) -> CompliancePart:
    """What the law asks today of a tenant that runs `content`: the law changes on days when nobody chooses anything.

    Where today's law cannot be applied to the tenant's facts (they contradict it), what was planned with stands.
    """
    try:
        requirements = (await judge(session, platform, tenant)).requirements
        requirements.refuse_conflicts()
    except DomainError:
        return content.compliance
    modules = (await platform.catalogues.of(session, content.release.id)).modules
    running = {module.name: modules[module.name].model_dump() for module in content.modules if module.name in modules}
    return compliance_part(requirements, ModuleSet((), match(requirements, running)))


def _locale(tenant: Tenant, requirements: Requirements) -> str:
    """The country's own, but for a demonstration, which is in the language it is shown in."""
    locales = requirements.profile.locales
    if tenant.demo_language is None:
        return locales[0]
    spoken = f"{tenant.demo_language}-"
    return next((one for one in locales if one.startswith(spoken)), f"{spoken}{requirements.country}")


def clinic_part(tenant: Tenant, requirements: Requirements) -> ClinicPart:
    profile = requirements.profile
    return ClinicPart(
        name=tenant.name,
        country=requirements.country,
        territory=requirements.territory,
        timezone=profile.time_zones[0],
        currency=profile.currency,
        locale=_locale(tenant, requirements),
        legal_form=tenant.legal_form,
        tax_id=requirements.tax_id,
    )


def record(session: AsyncSession, tenant: Tenant, content: RevisionContent, *, actor: Actor, at: datetime) -> Revision:
    """Make `content` what the tenant is to run from now on."""
    document = content.sealed()
    revision = Revision(
        tenant_id=tenant.id,
        generation=content.generation,
        release_id=content.release.id,
        document=document,
        identity=document["digests"]["identity"],
        effect=document["digests"]["effect"],
        created_at=at,
        created_by=actor.label,
    )
    session.add(revision)
    tenant.generation = content.generation
    return revision


async def desired(session: AsyncSession, tenant: Tenant) -> Revision:
    """The tenant's newest revision."""
    return (await session.scalars(select(Revision).where(Revision.tenant_id == tenant.id, Revision.generation == tenant.generation))).one()


async def releases_of(session: AsyncSession, tenants: Sequence[Tenant]) -> dict[UUID, str]:
    """The releases of the newest revisions of many tenants, by their ids."""
    newest = and_(Tenant.id == Revision.tenant_id, Tenant.generation == Revision.generation)
    query = select(Revision.tenant_id, Revision.release_id).join(Tenant, newest)
    return {row[0]: row[1] for row in await session.execute(query.where(Tenant.id.in_([tenant.id for tenant in tenants])))}


async def of_generation(session: AsyncSession, tenant: Tenant, generation: int) -> Revision:
    """One of the tenant's revisions."""
    return (await session.scalars(select(Revision).where(Revision.tenant_id == tenant.id, Revision.generation == generation))).one()


async def standing_of(session: AsyncSession, tenant: Tenant) -> Standing:
    """What the tenant chose last, and what is or may be installed.

    That is what its runtime attested last, and the modules of revisions whose deployment was begun and of which nothing was heard since:
    how far the runtime came with those nobody knows.
    """
    return (await standings_of(session, [tenant]))[tenant.id]


async def standings_of(session: AsyncSession, tenants: Sequence[Tenant]) -> dict[UUID, Standing]:
    """The same of many, by their ids."""
    ids = [tenant.id for tenant in tenants]
    observed = {row.tenant_id: row for row in await session.scalars(select(ObservedTenant).where(ObservedTenant.tenant_id.in_(ids)))}
    installed: dict[UUID, set[str]] = {}
    for id_ in ids:
        words = (observed[id_].attestation or {}) if id_ in observed else {}
        installed[id_] = {str(module["name"]) for module in words.get("modules", []) if module.get("state") in _INSTALLED}
    unheard = or_(
        ObservedTenant.attested_at.is_(None), OperationStep.finished_at.is_(None), OperationStep.finished_at > ObservedTenant.attested_at
    )
    begun = (
        select(Revision.tenant_id, Revision.document)
        .join(Operation, (Operation.tenant_id == Revision.tenant_id) & (Operation.generation == Revision.generation))
        .join(OperationStep, OperationStep.operation_id == Operation.id)
        .outerjoin(ObservedTenant, ObservedTenant.tenant_id == Revision.tenant_id)
        .where(Revision.tenant_id.in_(ids), OperationStep.name == StepName.DEPLOY, OperationStep.attempts > 0, unheard)
    )
    for tenant_id, document in await session.execute(begun):
        installed[tenant_id].update(module.name for module in parse(document).modules)
    return {tenant.id: Standing(frozenset(tenant.chosen), frozenset(installed[tenant.id])) for tenant in tenants}

"""Recording what a tenant should be. Everything here is one transaction of the caller; the worker notices the difference and acts."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID, uuid4

from sqlalchemy import Select, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access import accounts
from control_plane.access.actors import Actor
from control_plane.access.requires import visible
from control_plane.audit import service as audit
from control_plane.billing import agreements
from control_plane.compliance.history import History, Value
from control_plane.compliance.uniting import FIRST
from control_plane.databases import service as databases
from control_plane.languages import Language
from control_plane.law import statements
from control_plane.law.applying import clear_problem
from control_plane.law.errors import BadStatement
from control_plane.operations import service as operations
from control_plane.operations.kinds import KINDS, OperationKind
from control_plane.operations.models import Lease, Operation
from control_plane.platform import Platform
from control_plane.releases.channels import Channel
from control_plane.revisions import service as revisions
from control_plane.revisions.changes import PriceChange, changes_between
from control_plane.revisions.document import parse
from control_plane.standing import service as payments
from control_plane.tenants import slugs
from control_plane.tenants.errors import InvalidFactName, InvalidSlug, OwnerClaimed, SlugTaken, TenantGoing, UnknownTenant
from control_plane.tenants.models import ObservedTenant, Tenant
from control_plane.tenants.schemas import NewTenant, PlanOut
from control_plane.tenants.states import GOING, TenantState

_NEVER_SERVED = frozenset({TenantState.PROVISIONING, TenantState.FAILED})
_STUCK = frozenset({TenantState.FAILED, TenantState.DEGRADED})
_OWN_FIELDS = frozenset({"country", "territory", "legal_form", "tax_id"})


@dataclass(frozen=True)
class Started:
    """A tenant and the operation begun for it; None where nothing had to be done."""

    tenant: Tenant
    operation: Operation | None


@dataclass(frozen=True, slots=True)
class Demonstration:
    """That a tenant is one: until which day, and in which language its records are invented."""

    until: date
    language: Language


async def find(session: AsyncSession, slug: str, *, lock: bool = False) -> Tenant:
    """The tenant with this slug; where there is none alive, the last deleted one. Raises UnknownTenant."""
    order = (Tenant.state == TenantState.DELETED, Tenant.deleted_at.desc())
    query = select(Tenant).where(Tenant.slug == slug).order_by(*order).limit(1)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    tenant = await session.scalar(query)
    if tenant is None:
        raise UnknownTenant(slug)
    return tenant


@dataclass(frozen=True, slots=True)
class TenantFilters:
    """What a list of tenants is narrowed to; None asks for nothing."""

    state: TenantState | None = None
    country: str | None = None
    channel: Channel | None = None
    database_server: str | None = None
    search: str | None = None
    """Part of the slug or the name, whatever its case."""


def listed(actor: Actor, filters: TenantFilters) -> Select[Tenant]:
    """The tenants this actor may see; deleted ones only where that state is asked for."""
    query = visible(select(Tenant), actor)
    query = query.where(Tenant.state == filters.state) if filters.state else query.where(Tenant.state != TenantState.DELETED)
    equal = (
        (Tenant.country, filters.country),
        (Tenant.channel, filters.channel),
        (Tenant.database_server, filters.database_server),
    )
    for column, value in equal:
        if value is not None:
            query = query.where(column == value)
    if filters.search:
        part = filters.search.lower()
        query = query.where(or_(Tenant.slug.contains(part, autoescape=True), func.lower(Tenant.name).contains(part, autoescape=True)))
    return query


async def preview(session: AsyncSession, platform: Platform, new: NewTenant) -> revisions.Proposal:
    """What a tenant with these facts would run, without creating it. Raises what `create` raises for facts and modules."""
    tenant = _draft(platform, new)
    return await revisions.propose(session, platform, tenant, frozenset(new.modules), history=_said(tenant, new))


async def create(
    session: AsyncSession,
    platform: Platform,
    new: NewTenant,
    *,
    actor: Actor,
    tenant_id: UUID | None = None,
    demonstration: Demonstration | None = None,
) -> Started:
    """Write the tenant, its first revision and the operation that brings it about, together. `tenant_id`: one it was promised before.

    Raises InvalidSlug, SlugTaken, NoRelease and the errors of compliance and planning; nothing is written then.
    """
    now = platform.clock.now()
    tenant = _draft(platform, new)
    tenant.id = tenant_id or tenant.id
    if demonstration is not None:
        tenant.demo_until, tenant.demo_language = demonstration.until, demonstration.language
    said = _said(tenant, new)
    proposal = await revisions.propose(session, platform, tenant, frozenset(new.modules), history=said)
    tenant.law_edition, tenant.law_due_at = proposal.law.number, now
    tenant.country, tenant.territory = proposal.requirements.country, proposal.requirements.territory
    tenant.tax_id = proposal.requirements.tax_id or tenant.tax_id
    await databases.assign(session, platform, tenant, proposal.requirements.profile.residency)
    await _insert_with_slug(session, tenant, new)
    content = proposal.content.model_copy(update={"tenant": proposal.content.tenant.model_copy(update={"slug": tenant.slug})})
    session.add(Lease(tenant_id=tenant.id, fence=0, reconcile_at=now))
    statements.write(session, tenant.id, _said(tenant, new).statements, actor=actor, at=now, note="as given when the tenant was created")
    revision = revisions.record(session, tenant, content, actor=actor, at=now)
    operation = await operations.start(session, tenant, OperationKind.PROVISION, actor=actor, at=now, generation=revision.generation)
    audit.record(
        session, actor, "tenant.created", at=now, tenant_id=tenant.id, slug=tenant.slug, modules=tenant.chosen, effect=revision.effect
    )
    return Started(tenant, operation)


def _draft(platform: Platform, new: NewTenant) -> Tenant:
    for name in new.facts:
        if name in _OWN_FIELDS:
            raise InvalidFactName(name)
    now = platform.clock.now()
    return Tenant(
        id=uuid4(),
        slug=new.slug or slugs.slug_of(new.name),
        name=new.name,
        country=new.country,
        territory=new.territory,
        legal_form=new.legal_form,
        tax_id=new.tax_id or None,
        facts=NewTenant.model_dump(new, mode="json")["facts"],
        owner_email=str(new.owner_email),
        chosen=sorted(set(new.modules)),
        state=TenantState.PROVISIONING,
        state_since=now,
        state_deadline=now + KINDS[OperationKind.PROVISION].deadline,
        generation=0,
        invitation_serial=0,
        created_at=now,
    )


def _said(tenant: Tenant, new: NewTenant) -> History:
    """What the request states about the legal entity and each further clinic. Raises BadStatement for a clinic given twice."""
    clinics: dict[str, dict[str, Value]] = {}
    for clinic in new.clinics:
        if clinic.key in clinics or clinic.key == FIRST:
            raise BadStatement("clinics", f"each needs a key of its own, and {clinic.key!r} is given twice")
        clinics[clinic.key] = clinic.stated(tenant.country)
    return statements.said_by(tenant, clinics)


async def _insert_with_slug(session: AsyncSession, tenant: Tenant, new: NewTenant) -> None:
    """Insert under the slug asked for, or the first free one made of the name."""
    if new.slug is not None:
        if why := slugs.why_invalid(new.slug):
            raise InvalidSlug(new.slug, why, slugs.slug_of(new.slug))
        if not await insert(session, tenant, new.slug):
            raise SlugTaken(new.slug)
        return
    for slug in slugs.candidates(new.name):
        taken = await session.scalar(select(Tenant.id).where(Tenant.slug == slug, Tenant.state != TenantState.DELETED))
        if taken is None and await insert(session, tenant, slug):
            return
    raise SlugTaken(slugs.slug_of(new.name))


async def insert(session: AsyncSession, tenant: Tenant, slug: str) -> bool:
    tenant.slug = slug
    try:
        async with session.begin_nested():
            session.add(tenant)
    except IntegrityError as error:
        if "uq_tenant_slug" not in str(error.orig):
            raise
        return False
    return True


async def plan(session: AsyncSession, platform: Platform, tenant: Tenant, chosen: frozenset[str]) -> PlanOut:
    """What `change_modules` would change, and why. Writes nothing. Raises the same errors."""
    refuse_going(tenant)
    desired = await revisions.desired(session, tenant)
    before = parse(desired.document)
    await payments.refuse_choice(session, platform, tenant, chosen, already=[module.name for module in before.modules])
    proposal = await revisions.propose(session, platform, tenant, chosen, await revisions.standing_of(session, tenant))
    quotes = await agreements.quotes(session, platform, tenant, before, proposal.content)
    return PlanOut.of(
        tenant,
        proposal.content,
        same=proposal.content.effect == desired.effect and tenant.state not in _STUCK,
        release_changes=before.release.id != proposal.content.release.id,
        changes=changes_between(before.modules, proposal.content.modules, chosen, quotes.prices),
        price=PriceChange(
            agreed=quotes.agreed,
            plan=quotes.after.plan,
            tariff=quotes.after.tariff,
            currency=quotes.after.currency,
            before=quotes.before.total,
            after=quotes.after.total,
        ),
    )


async def change_modules(session: AsyncSession, platform: Platform, tenant: Tenant, chosen: frozenset[str], *, actor: Actor) -> Started:
    """Record what the tenant should run from now on. No operation where it already should and nothing is stuck.

    `tenant` is locked. Words that change without an effect (a reason, a corrected pack) make a revision and roll nothing out.
    Raises TenantGoing, TenantBusy, ModulesWaitForPayment and the errors of compliance and planning.
    """
    refuse_going(tenant)
    await operations.refuse_busy(session, tenant)
    now = platform.clock.now()
    desired = await revisions.desired(session, tenant)
    running = [module.name for module in parse(desired.document).modules]
    await payments.refuse_choice(session, platform, tenant, chosen, already=running)
    proposal = await revisions.propose(session, platform, tenant, chosen, await revisions.standing_of(session, tenant))
    clear_problem(session, tenant, at=now)
    tenant.law_edition = proposal.law.number
    before = tenant.chosen
    tenant.chosen = sorted(chosen)
    revision = desired
    if not proposal.content.same_but_generation(parse(desired.document)):
        revision = revisions.record(session, tenant, proposal.content, actor=actor, at=now)
        audit.record(
            session,
            actor,
            "tenant.modules_changed",
            at=now,
            tenant_id=tenant.id,
            before=before,
            after=tenant.chosen,
            effect=revision.effect,
        )
    if revision.effect == desired.effect and tenant.state not in _STUCK:
        return Started(tenant, None)
    kind = OperationKind.PROVISION if tenant.state in _NEVER_SERVED else OperationKind.CHANGE_MODULES
    return Started(tenant, await operations.start(session, tenant, kind, actor=actor, at=now, generation=tenant.generation))


async def invite(session: AsyncSession, platform: Platform, tenant: Tenant, email: str | None, *, actor: Actor) -> Started:
    """Send the owner's one-time link again, to a corrected address where one is given; earlier links stop working.

    `tenant` is locked. While the clinic is still being set up, its own invitation goes to the corrected address and no second one is sent.
    Raises OwnerClaimed, TenantGoing.
    """
    refuse_going(tenant)
    seen = await session.get(ObservedTenant, tenant.id)
    if seen is not None and (seen.attestation or {}).get("owner_claimed"):
        raise OwnerClaimed(tenant.slug)
    now = platform.clock.now()
    if email is not None and email != tenant.owner_email:
        audit.record(session, actor, "tenant.owner_corrected", at=now, tenant_id=tenant.id, before=tenant.owner_email, after=email)
        before, tenant.owner_email = tenant.owner_email, email
        await accounts.owner_corrected(session, tenant, before, actor=actor, at=now)
        content = parse((await revisions.desired(session, tenant)).document)
        update = {"generation": tenant.generation + 1, "owner": content.owner.model_copy(update={"email": email})}
        revisions.record(session, tenant, content.model_copy(update=update), actor=actor, at=now)
    provisioning = [one for one in await operations.open_operations(session, tenant.id, lock=True) if one.kind is OperationKind.PROVISION]
    if tenant.state in _NEVER_SERVED:
        return Started(tenant, provisioning[-1] if provisioning else None)
    audit.record(session, actor, "tenant.invited", at=now, tenant_id=tenant.id, email=tenant.owner_email)
    return Started(tenant, await operations.start(session, tenant, OperationKind.INVITE, actor=actor, at=now))


def refuse_going(tenant: Tenant) -> None:
    """Raises TenantGoing for one that is being deleted, or is."""
    if tenant.state in GOING:
        raise TenantGoing(tenant.slug, tenant.state)

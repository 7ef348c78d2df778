"""Stating facts and asking for the law of a tenant, in the caller's transaction."""

from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.audit import service as audit
from control_plane.compliance.matching import match
from control_plane.compliance.schemas import RequirementsOut
from control_plane.languages import Language
from control_plane.law import statements
from control_plane.law.applying import WITHIN_REACH, Applied, apply_law
from control_plane.law.judging import judge, law_for, today_of
from control_plane.law.schemas import LockOut, NewFacts, TenantLawOut
from control_plane.law.shelf import Law
from control_plane.platform import Platform
from control_plane.releases import service as releases
from control_plane.revisions import service as revisions
from control_plane.tenants.models import Tenant


async def state_facts(session: AsyncSession, platform: Platform, tenant: Tenant, new: NewFacts, *, actor: Actor) -> Applied | None:
    """Record what is stated, and bring the tenant to what the law makes of it; None where all of it was known. `tenant` is locked.

    Facts are recorded also where the law then waits for a person: they are true whatever follows from them. Raises BadStatement and what
    compliance.resolve raises for facts no law could read.
    """
    at = platform.clock.now()
    law = await law_for(session, platform, tenant)
    today = today_of(platform, tenant, law)
    told = new.statements(today)
    if not await statements.state(session, tenant, told, law.packs, today=today, actor=actor, at=at, note=new.note):
        return None
    audit.record(
        session,
        actor,
        "tenant.facts_stated",
        at=at,
        tenant_id=tenant.id,
        clinic=new.clinic,
        facts=sorted(new.facts),
        valid_from=str(new.valid_from or today),
        valid_until=str(new.valid_until) if new.valid_until else None,
    )
    if tenant.state not in WITHIN_REACH:
        # While its data is put back nothing else may change: the law is looked at when it has arrived.
        tenant.law_due_at = at
        return None
    applied = await apply_law(session, platform, tenant, actor=actor, why="facts were stated")
    # What is coming may have changed as well: the next pass announces it.
    tenant.law_due_at = at
    return applied


async def law_of_tenant(
    session: AsyncSession,
    platform: Platform,
    tenant: Tenant,
    language: Language,
    *,
    on: date | None = None,
    known_at: datetime | None = None,
    law: Law | None = None,
) -> TenantLawOut:
    """What the law asks (asked, will ask) of a tenant on a day, by what was known at a moment."""
    judged = await judge(session, platform, tenant, on=on, known_at=known_at, law=law)
    desired = await revisions.desired(session, tenant)
    modules = releases.catalogue_of(await releases.get(session, desired.release_id)).modules
    standing = await revisions.standing_of(session, tenant)
    matched = match(judged.requirements, {name: module.model_dump() for name, module in modules.items()}, frozenset(tenant.chosen))
    locks = judged.locks({name: modules[name] for name in standing.installed if name in modules})
    return TenantLawOut(
        **RequirementsOut.of(judged.requirements, language, matched).model_dump(),
        edition=judged.law.number,
        known_at=known_at or platform.clock.now(),
        locks=[LockOut.of(lock) for lock in locks.values()],
        problem=tenant.law_problem,
        problem_code=tenant.law_problem_code,
        region=tenant.region,
        next_look=tenant.law_due_at,
    )

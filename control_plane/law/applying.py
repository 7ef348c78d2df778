"""Bringing a tenant to what the law asks of it today: a revision by itself, and an operation where the runtime has something to do.

Called when a day comes (control_plane.law.dates), when somebody states facts, and by the campaign of a published edition. The release
stays: law never moves a tenant to other versions.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.audit import service as audit
from control_plane.compliance.requirements import Requirements
from control_plane.databases import service as databases
from control_plane.errors import DomainError, TemporaryError
from control_plane.law.judging import EDITION_WAITS, Judgement, judge, today_of
from control_plane.law.shelf import Law
from control_plane.law.statements import project
from control_plane.operations import service as operations
from control_plane.operations.kinds import OperationKind
from control_plane.operations.models import Operation
from control_plane.platform import Platform
from control_plane.revisions import service as revisions
from control_plane.revisions.document import CompliancePart, RevisionContent, parse
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState

LAW: Final = Actor("platform", "law")
"""Who made a revision that nobody asked for but the law."""
WITHIN_REACH: Final = frozenset(
    {TenantState.ACTIVE, TenantState.DEGRADED, TenantState.CHANGING, TenantState.PROVISIONING, TenantState.FAILED}
)
"""States in which a tenant takes a revision; in the others the law waits until it is back."""
_STARTS: Final = {
    TenantState.ACTIVE: OperationKind.CHANGE_MODULES,
    TenantState.DEGRADED: OperationKind.CHANGE_MODULES,
    TenantState.CHANGING: OperationKind.CHANGE_MODULES,
    TenantState.PROVISIONING: OperationKind.PROVISION,
}
"""What carries a revision out. One whose setting-up failed waits for a person, who then gets the newest revision."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Applied:
    """What became of it. `requirements` is None where the tenant's facts cannot be read by today's law."""

    before: CompliancePart
    after: CompliancePart
    requirements: Requirements | None
    operation: Operation | None = None
    problem: DomainError | None = None


async def apply_law(
    session: AsyncSession, platform: Platform, tenant: Tenant, *, actor: Actor = LAW, law: Law | None = None, why: str = "a date of the law"
) -> Applied:
    """Plan what the tenant has and chose by the law of today (of another edition, where one is given) and record it where it differs.

    `tenant` is locked. What cannot be planned (a conflict, a module that may no longer be used) is written down for a person and leaves
    the tenant as it is.
    """
    at = platform.clock.now()
    desired = await revisions.desired(session, tenant)
    before = parse(desired.document)
    judged: Judgement | None = None
    try:
        judged = await judge(session, platform, tenant, law=law)
        project(tenant, judged.history, today_of(platform, tenant, judged.law))
        await databases.check_residency(session, platform, tenant, judged.requirements.profile.residency)
        standing = await revisions.standing_of(session, tenant)
        proposal = await revisions.propose(
            session, platform, tenant, frozenset(tenant.chosen), standing, same_release=True, law=judged.law, history=judged.history
        )
    except TemporaryError:
        raise
    except DomainError as error:
        _note_problem(session, tenant, error, at=at)
        return Applied(before.compliance, before.compliance, judged.requirements if judged else None, problem=error)
    clear_problem(session, tenant, at=at)
    tenant.law_edition = judged.law.number
    operation = None
    if not proposal.content.same_but_generation(before):
        operation = await _record(session, tenant, before, proposal.content, actor=actor, at=at, why=why)
    return Applied(before.compliance, proposal.content.compliance, judged.requirements, operation)


async def _record(
    session: AsyncSession, tenant: Tenant, before: RevisionContent, content: RevisionContent, *, actor: Actor, at: datetime, why: str
) -> Operation | None:
    revision = revisions.record(session, tenant, content, actor=actor, at=at)
    differs = {one.id: one.status for one in content.compliance.obligations}.items() ^ {
        one.id: one.status for one in before.compliance.obligations
    }.items()
    audit.record(
        session,
        actor,
        "tenant.law_applied",
        at=at,
        tenant_id=tenant.id,
        why=why,
        obligations=sorted({id_ for id_, _ in differs}),
        effect=revision.effect,
        changed=revision.effect != before.effect,
    )
    kind = _STARTS.get(tenant.state)
    if revision.effect == before.effect or kind is None:
        return None
    return await operations.start(session, tenant, kind, actor=actor, at=at, generation=revision.generation)


def _note_problem(session: AsyncSession, tenant: Tenant, error: DomainError, *, at: datetime) -> None:
    if (tenant.law_problem_code, tenant.law_problem) != (error.code, error.message):
        log.warning("the law of today cannot be applied to tenant %s: %s", tenant.id, error.message)
        audit.record(session, LAW, "tenant.law_problem", at=at, tenant_id=tenant.id, code=error.code, reason=error.message)
    waits = tenant.law_problem_code == EDITION_WAITS
    tenant.law_problem, tenant.law_problem_code = error.message, EDITION_WAITS if waits else error.code


def clear_problem(session: AsyncSession, tenant: Tenant, *, at: datetime) -> None:
    """The tenant could be planned by today's law: what waited for a person is settled."""
    if tenant.law_problem is not None:
        audit.record(session, LAW, "tenant.law_problem_over", at=at, tenant_id=tenant.id, code=tenant.law_problem_code)
    tenant.law_problem, tenant.law_problem_code = None, None

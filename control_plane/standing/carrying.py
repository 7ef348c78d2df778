"""Bringing a tenant to what its plan and its rung ask for: a revision and the operation that carries it out; archiving, and reopening.

The rung is taken when its time has come, whatever the tenant is at; the runtime follows as soon as it is at rest.
"""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.audit import service as audit
from control_plane.billing.ladder import Rung
from control_plane.operations import service as operations
from control_plane.operations.errors import TenantBusy
from control_plane.operations.kinds import OperationKind, StepName
from control_plane.operations.models import Operation
from control_plane.operations.states import OperationState
from control_plane.platform import Platform
from control_plane.revisions import service as revisions
from control_plane.revisions.document import parse
from control_plane.standing.terms import terms_of
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState

BILLING: Final = Actor("platform", "payments")
"""Who made a revision that nobody asked for but the state of the tenant's payments."""
_STARTS: Final = {
    TenantState.ACTIVE: OperationKind.CHANGE_MODULES,
    TenantState.DEGRADED: OperationKind.CHANGE_MODULES,
    TenantState.CHANGING: OperationKind.CHANGE_MODULES,
    TenantState.PROVISIONING: OperationKind.PROVISION,
    TenantState.FAILED: None,
    TenantState.ARCHIVING: None,
    TenantState.ARCHIVED: None,
}
"""States in which it takes a revision, and what carries it out; the others have to pass first."""
_AT_REST: Final = frozenset({TenantState.ACTIVE, TenantState.DEGRADED})


async def carry(session: AsyncSession, platform: Platform, tenant: Tenant, rung: Rung, *, actor: Actor = BILLING) -> str | None:
    """Do what is still missing; why it has to wait, None once nothing is missing or it is under way. `tenant` is locked."""
    if tenant.generation == 0 or not tenant.somebodys_own:
        return None
    reopening = tenant.state in (TenantState.ARCHIVED, TenantState.ARCHIVING) and rung is not Rung.ARCHIVED
    content = parse((await revisions.desired(session, tenant)).document)
    terms = await terms_of(session, platform, tenant.id, content.clinic)
    wanted = terms.applied(content)
    # What is to be stopped is not started anew for that; reopening brings along what changed meanwhile.
    if wanted != content and rung is not Rung.ARCHIVED:
        if tenant.state not in _STARTS:
            return f"The clinic is {tenant.state.value.replace('_', ' ')}."
        try:
            await operations.refuse_busy(session, tenant)
        except TenantBusy as busy:
            return busy.message
        at = platform.clock.now()
        revision = revisions.record(session, tenant, wanted.model_copy(update={"generation": tenant.generation + 1}), actor=actor, at=at)
        audit.record(
            session, actor, "tenant.terms_changed", at=at, tenant_id=tenant.id, mode=terms.mode, limits=terms.limits, effect=revision.effect
        )
        kind = _STARTS[tenant.state]
        if kind is not None and not reopening and not await _not_deployed_yet(session, tenant):
            await operations.start(session, tenant, kind, actor=actor, at=at, generation=tenant.generation)
    if reopening:
        await reopen(session, platform, tenant, actor=actor)
    elif rung is Rung.ARCHIVED:
        return await _archive(session, platform, tenant, actor=actor)
    return None


async def _not_deployed_yet(session: AsyncSession, tenant: Tenant) -> bool:
    """Whether it is being set up and takes this revision along: what is deployed is what is desired then."""
    return any(
        one.kind is OperationKind.PROVISION and not one.begun(StepName.DEPLOY)
        for one in await operations.open_operations(session, tenant.id)
    )


async def _archive(session: AsyncSession, platform: Platform, tenant: Tenant, *, actor: Actor) -> str | None:
    if tenant.state is TenantState.ARCHIVED:
        return None
    last = await operations.latest_operation(session, tenant.id)
    if last is not None and last.kind is OperationKind.ARCHIVE and last.state is OperationState.FAILED:
        return f"It could not be archived and waits for a person: {last.reason}"
    if tenant.state is TenantState.ARCHIVING:
        return "It is being archived."
    if tenant.state not in _AT_REST or await operations.open_operations(session, tenant.id):
        return "The clinic is archived once it is at rest."
    at = platform.clock.now()
    operation = await operations.start(session, tenant, OperationKind.ARCHIVE, actor=actor, at=at, generation=tenant.generation)
    audit.record(session, actor, "tenant.archiving", at=at, tenant_id=tenant.id, operation=str(operation.id))
    return "It is being archived."


async def reopen(session: AsyncSession, platform: Platform, tenant: Tenant, *, actor: Actor) -> Operation:
    """Start an archived clinic again, with everything it had."""
    at = platform.clock.now()
    operation = await operations.start(session, tenant, OperationKind.REOPEN, actor=actor, at=at, generation=tenant.generation)
    audit.record(session, actor, "tenant.reopened", at=at, tenant_id=tenant.id, operation=str(operation.id))
    return operation

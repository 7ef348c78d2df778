"""/v1/tenants: the operators' door. The services decide; here is only what a request and an answer look like."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access import accounts
from control_plane.access.requires import Guards, Requires
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.audit.models import AuditEntry
from control_plane.audit.schemas import AuditList, AuditOut
from control_plane.exit import deletions
from control_plane.operations.models import Operation
from control_plane.operations.observing import look
from control_plane.operations.schemas import OperationList, OperationOut
from control_plane.platform import Platform
from control_plane.revisions import service as revisions
from control_plane.revisions.document import parse
from control_plane.tenants import service
from control_plane.tenants.models import ObservedTenant, Tenant
from control_plane.tenants.schemas import (
    InvitationRequest,
    ModuleChoice,
    NewTenant,
    PlanOut,
    StartedOut,
    TenantList,
    TenantOut,
    TenantSummary,
)
from control_plane.tenants.service import Started
from control_plane.tenants.states import TenantState

router = APIRouter(prefix="/tenants", tags=["tenants"], route_class=PlatformRoute, dependencies=[Guards("tenants")])


async def known_tenant(slug: str, session: Session, actor: CurrentActor) -> Tenant:
    return await service.find(session, slug)


async def locked_tenant(slug: str, session: Session, actor: CurrentActor) -> Tenant:
    return await service.find(session, slug, lock=True)


KnownTenant = Annotated[Tenant, Depends(known_tenant)]
LockedTenant = Annotated[Tenant, Depends(locked_tenant)]


async def shown(session: AsyncSession, platform: Platform, tenant: Tenant) -> TenantOut:
    desired = await revisions.desired(session, tenant)
    law = await revisions.compliance_today(session, platform, tenant, parse(desired.document))
    last = await session.scalar(select(Operation).where(Operation.tenant_id == tenant.id).order_by(Operation.number.desc()).limit(1))
    return TenantOut.show(tenant, desired, law, await session.get(ObservedTenant, tenant.id), last)


async def answered(session: AsyncSession, platform: Platform, started: Started, response: Response) -> StartedOut:
    """202 with the operation that was begun; 200 where nothing had to be done."""
    await session.flush()
    if started.operation is None:
        response.status_code = 200
    operation = OperationOut.of(started.operation, started.tenant.slug) if started.operation else None
    return StartedOut(tenant=await shown(session, platform, started.tenant), operation=operation)


@router.post("", status_code=202, dependencies=[Requires("tenants:write", own=True)])
async def create_tenant(new: NewTenant, session: Session, actor: CurrentActor, platform: ThisPlatform, response: Response) -> StartedOut:
    started = await service.create(session, platform, new, actor=actor)
    await accounts.grant_to_maker(session, actor, started.tenant, at=platform.clock.now())
    return await answered(session, platform, started, response)


@router.get("", dependencies=[Requires("tenants:read", own=True)])
async def list_tenants(
    session: Session,
    actor: CurrentActor,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    state: TenantState | None = None,
) -> TenantList:
    tenants = await service.page(session, actor, after=after, limit=limit + 1, state=state)
    following = tenants[limit - 1].slug if len(tenants) > limit else None
    return TenantList(items=[TenantSummary.of(tenant) for tenant in tenants[:limit]], next=following)


@router.get("/{slug}")
async def get_tenant(tenant: KnownTenant, session: Session, platform: ThisPlatform) -> TenantOut:
    return await shown(session, platform, tenant)


@router.get("/{slug}/operations")
async def list_operations(tenant: KnownTenant, session: Session, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> OperationList:
    """The tenant's operations, the last one first: also those that a later request took the place of."""
    query = select(Operation).where(Operation.tenant_id == tenant.id).order_by(Operation.number.desc()).limit(limit)
    return OperationList(items=[OperationOut.of(operation, tenant.slug) for operation in await session.scalars(query)])


@router.get("/{slug}/audit", dependencies=[Requires("audit:read")])
async def list_audit(tenant: KnownTenant, session: Session, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> AuditList:
    """Who did what to this tenant, the last deed first."""
    query = select(AuditEntry).where(AuditEntry.tenant_id == tenant.id).order_by(AuditEntry.number.desc()).limit(limit)
    return AuditList(items=[AuditOut.of(entry) for entry in await session.scalars(query)])


@router.post("/{slug}/plan")
async def plan(choice: ModuleChoice, tenant: KnownTenant, session: Session, platform: ThisPlatform) -> PlanOut:
    """What the same PUT would change, and why. Nothing is written."""
    return await service.plan(session, platform, tenant, frozenset(choice.modules))


@router.put("/{slug}/modules", status_code=202)
async def put_modules(
    choice: ModuleChoice, tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform, response: Response
) -> StartedOut:
    started = await service.change_modules(session, platform, tenant, frozenset(choice.modules), actor=actor)
    return await answered(session, platform, started, response)


@router.post("/{slug}/invitation", status_code=202)
async def send_invitation(
    slug: str, wanted: InvitationRequest, session: Session, actor: CurrentActor, platform: ThisPlatform, response: Response
) -> StartedOut:
    """Send the owner's one-time link again, to a corrected address where one is given."""
    # Whether the owner was quicker only the runtime knows; it is asked before anything is locked.
    await look(platform, (await service.find(session, slug)).id)
    started = await service.invite(session, platform, await service.find(session, slug, lock=True), wanted.owner_email, actor=actor)
    return await answered(session, platform, started, response)


@router.delete("/{slug}", status_code=202, dependencies=[Requires("tenants:delete")])
async def delete_tenant(
    tenant: LockedTenant,
    session: Session,
    actor: CurrentActor,
    platform: ThisPlatform,
    response: Response,
    at_once: Annotated[bool, Query(description="Leave out the time in which it can be undone.")] = False,
    confirm: Annotated[str | None, Query(max_length=80, description="The slug once more; needed with `at_once`.")] = None,
) -> StartedOut:
    """Close the clinic, and delete it once `delete_after` has passed; until then that can be undone.

    A last copy is kept for as long as the law asks: `final_dump` says where, until when and why.
    """
    started = await deletions.delete(session, platform, tenant, actor=actor, at_once=at_once, confirm=confirm)
    return await answered(session, platform, started, response)

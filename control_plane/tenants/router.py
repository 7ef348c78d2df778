"""/v1/tenants: the operators' door. The services decide; here is only what a request and an answer look like."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import load_only

from control_plane import etag
from control_plane.access import accounts
from control_plane.access.requires import Guards, Requires
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.audit.models import AuditEntry
from control_plane.audit.schemas import AuditList, AuditOut
from control_plane.billing import planning
from control_plane.exit import deletions
from control_plane.operations.kinds import OperationKind
from control_plane.operations.models import Operation
from control_plane.operations.observing import look
from control_plane.operations.schemas import OperationList, OperationOut
from control_plane.operations.states import OperationState
from control_plane.pagination import WantedPage, page
from control_plane.platform import Platform
from control_plane.releases.channels import Channel
from control_plane.resellers import opening
from control_plane.revisions import service as revisions
from control_plane.revisions.document import parse
from control_plane.tenants import service
from control_plane.tenants.models import PLATFORMS_OWN, ObservedTenant, Tenant
from control_plane.tenants.schemas import (
    SUMMED_UP,
    InvitationRequest,
    ModuleChoice,
    ModulesOut,
    NewTenant,
    PlanOut,
    StartedOut,
    TenantList,
    TenantOut,
    TenantSummary,
)
from control_plane.tenants.service import Started, TenantFilters
from control_plane.tenants.states import TenantState

router = APIRouter(prefix="/tenants", tags=["tenants"], route_class=PlatformRoute, dependencies=[Guards("tenants")])


async def known_tenant(slug: str, session: Session, actor: CurrentActor) -> Tenant:
    return await service.find(session, slug)


async def locked_tenant(slug: str, session: Session, actor: CurrentActor, if_match: etag.IfMatch = None) -> Tenant:
    """For whatever changes a tenant: nothing is lost that was changed since the caller read it."""
    tenant = await service.find(session, slug, lock=True)
    etag.check(if_match, tag_of(tenant), what=f"The tenant {slug}")
    return tenant


async def filtered(
    state: TenantState | None = None,
    country: Annotated[str | None, Query(min_length=2, max_length=2, description="Two letters.")] = None,
    channel: Channel | None = None,
    database_server: Annotated[str | None, Query(max_length=60)] = None,
    search: Annotated[str | None, Query(max_length=80, description="Part of the slug or the name.")] = None,
) -> TenantFilters:
    return TenantFilters(state, country.upper() if country else None, channel, database_server, search)


def tag_of(tenant: Tenant) -> str:
    return etag.tag_of(tenant, without=PLATFORMS_OWN)


KnownTenant = Annotated[Tenant, Depends(known_tenant)]
LockedTenant = Annotated[Tenant, Depends(locked_tenant)]


async def shown(session: AsyncSession, platform: Platform, tenant: Tenant) -> TenantOut:
    desired = await revisions.desired(session, tenant)
    content = parse(desired.document)
    law = await revisions.compliance_today(session, platform, tenant, content)
    last = await session.scalar(select(Operation).where(Operation.tenant_id == tenant.id).order_by(Operation.number.desc()).limit(1))
    return TenantOut.show(tenant, desired, content, law, await session.get(ObservedTenant, tenant.id), last)


async def answered(session: AsyncSession, platform: Platform, started: Started, response: Response) -> StartedOut:
    """202 with the operation that was begun; 200 where nothing had to be done."""
    await session.flush()
    if started.operation is None:
        response.status_code = 200
    etag.show(response, tag_of(started.tenant))
    operation = OperationOut.of(started.operation, started.tenant.slug) if started.operation else None
    return StartedOut(tenant=await shown(session, platform, started.tenant), operation=operation)


@router.post("", status_code=202, dependencies=[Requires("tenants:write", own=True)])
async def create_tenant(new: NewTenant, session: Session, actor: CurrentActor, platform: ThisPlatform, response: Response) -> StartedOut:
    started = await service.create(session, platform, new, actor=actor)
    await accounts.grant_to_maker(session, actor, started.tenant, at=platform.clock.now())
    await opening.opened(session, started.tenant, actor=actor, at=platform.clock.now())
    return await answered(session, platform, started, response)


@router.get("", dependencies=[Requires("tenants:read", own=True)])
async def list_tenants(
    session: Session, actor: CurrentActor, wanted: WantedPage, filters: Annotated[TenantFilters, Depends(filtered)]
) -> TenantList:
    """Tenants by slug; deleted ones only with `state=deleted`."""
    query = service.listed(actor, filters).options(load_only(*SUMMED_UP, raiseload=True))
    found = await page(session, query, Tenant.slug, Tenant.id, wanted=wanted)
    return TenantList(items=[TenantSummary.of(tenant) for tenant in found.items], next=found.next)


@router.get("/{slug}")
async def get_tenant(tenant: KnownTenant, session: Session, platform: ThisPlatform, response: Response) -> TenantOut:
    """What a tenant is to run, what it runs, and why. The `ETag` is of what people can change."""
    etag.show(response, tag_of(tenant))
    return await shown(session, platform, tenant)


@router.get("/{slug}/operations")
async def list_operations(
    tenant: KnownTenant,
    session: Session,
    wanted: WantedPage,
    kind: OperationKind | None = None,
    state: OperationState | None = None,
) -> OperationList:
    """The tenant's operations, the last one first: also those that a later request took the place of."""
    query = select(Operation).where(Operation.tenant_id == tenant.id)
    for column, value in ((Operation.kind, kind), (Operation.state, state)):
        if value is not None:
            query = query.where(column == value)
    found = await page(session, query, Operation.number, wanted=wanted, descending=True)
    return OperationList(items=[OperationOut.of(operation, tenant.slug) for operation in found.items], next=found.next)


@router.get("/{slug}/audit", dependencies=[Requires("audit:read")])
async def list_audit(
    tenant: KnownTenant, session: Session, wanted: WantedPage, action: Annotated[str | None, Query(max_length=60)] = None
) -> AuditList:
    """Who did what to this tenant, the last deed first."""
    query = select(AuditEntry).where(AuditEntry.tenant_id == tenant.id)
    if action is not None:
        query = query.where(AuditEntry.action == action)
    found = await page(session, query, AuditEntry.number, wanted=wanted, descending=True)
    return AuditList(items=[AuditOut.of(entry) for entry in found.items], next=found.next)


@router.post("/{slug}/plan")
async def plan(choice: ModuleChoice, tenant: KnownTenant, session: Session, platform: ThisPlatform) -> PlanOut:
    """What the same PUT would change and cost, and why. Nothing is written."""
    return await planning.plan_modules(session, platform, tenant, choice.modules)


async def planned(choice: ModuleChoice, tenant: KnownTenant, session: Session, actor: CurrentActor, platform: ThisPlatform) -> PlanOut:
    await opening.refuse_modules(session, tenant, choice.modules, actor=actor, at=platform.clock.now())
    return await planning.plan_modules(session, platform, tenant, choice.modules)


@router.put("/{slug}/modules", status_code=202)
async def put_modules(
    choice: ModuleChoice,
    # Before the tenant is locked: the payment provider is asked in it.
    effects: Annotated[PlanOut, Depends(planned)],
    tenant: LockedTenant,
    session: Session,
    actor: CurrentActor,
    platform: ThisPlatform,
    response: Response,
) -> ModulesOut:
    """Run these modules from now on. `price` is what that costs, as `POST …/plan` shows it; what it says is charged once they are there."""
    await opening.refuse_modules(session, tenant, choice.modules, actor=actor, at=platform.clock.now())
    started, price = await planning.change_modules(session, platform, tenant, choice.modules, effects.price, actor=actor)
    found = await answered(session, platform, started, response)
    return ModulesOut(tenant=found.tenant, operation=found.operation, price=price)


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

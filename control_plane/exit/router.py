"""/v1/tenants/{slug}/… of leaving: exports, the undoing of a deletion, the protection against one, and erasure."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from sqlalchemy import select

from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.exit import deletions, erasing, exports
from control_plane.exit.errors import ConfirmationMissing
from control_plane.exit.models import Erasure, TenantExport
from control_plane.exit.schemas import (
    ErasureList,
    ErasureOut,
    ErasurePlanOut,
    ErasureRequest,
    ExportList,
    ExportOut,
    ExportStarted,
    LinkMailed,
    Protection,
    ProtectionOut,
    SigningKeyOut,
)
from control_plane.operations.schemas import OperationOut
from control_plane.pagination import WantedPage, page
from control_plane.tenants.router import KnownTenant, LockedTenant, answered
from control_plane.tenants.schemas import StartedOut
from dentalpin_kit.tokens import ALGORITHM

router = APIRouter(prefix="/tenants/{slug}", tags=["exit"], route_class=PlatformRoute)
keys = APIRouter(prefix="/exports", tags=["exit"], route_class=PlatformRoute)


@keys.get("/signing-key", dependencies=[Requires(None, own=True)])
async def signing_key(actor: CurrentActor, platform: ThisPlatform) -> SigningKeyOut:
    """The public key that this platform signs archives with."""
    return SigningKeyOut(algorithm=ALGORITHM, public_key=platform.key.public)


@router.post("/exports", status_code=202, dependencies=[Requires("exports:write")])
async def request_export(tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform) -> ExportStarted:
    """Pack everything the clinic has into one signed archive; its owner is mailed a link that downloads it once."""
    operation = await exports.request(session, platform, tenant, actor=actor)
    return ExportStarted(operation=OperationOut.of(operation, tenant.slug))


@router.get("/exports", dependencies=[Requires("exports:read")])
async def list_exports(tenant: KnownTenant, session: Session, wanted: WantedPage) -> ExportList:
    """Its exports and, of a deleted clinic, its last copy; the latest first. Removed ones stay listed."""
    query = select(TenantExport).where(TenantExport.tenant_id == tenant.id)
    found = await page(session, query, TenantExport.number, wanted=wanted, descending=True)
    return ExportList(items=[ExportOut.of(export) for export in found.items], next=found.next)


@router.get("/exports/{export_id}", dependencies=[Requires("exports:read")])
async def get_export(export_id: UUID, tenant: KnownTenant, session: Session) -> ExportOut:
    return ExportOut.of(await exports.find(session, tenant, export_id))


@router.post("/exports/{export_id}/link", status_code=202, dependencies=[Requires("exports:write")])
async def mail_export_link(
    export_id: UUID, tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> LinkMailed:
    """Mail the clinic's owner a new link to download it; the one before stops working."""
    export = await exports.find(session, tenant, export_id, lock=True)
    expires = await exports.mail_link(session, platform, tenant, export, actor=actor)
    return LinkMailed(mailed_to=tenant.owner_email, expires_at=expires)


@router.delete("/exports/{export_id}", dependencies=[Requires("exports:write")])
async def remove_export(export_id: UUID, tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform) -> ExportOut:
    """Take an export away before its time; not a last copy, which the law asks for."""
    export = await exports.find(session, tenant, export_id, lock=True)
    await exports.remove(session, platform, export, actor=actor)
    return ExportOut.of(export)


@router.post("/undo-deletion", status_code=202, dependencies=[Requires("tenants:delete")])
async def undo_deletion(
    tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform, response: Response
) -> StartedOut:
    """Bring back a clinic whose deletion was asked, as it was. Until `delete_after`."""
    return await answered(session, platform, await deletions.undo(session, platform, tenant, actor=actor), response)


@router.put("/deletion-protection", dependencies=[Requires("tenants:delete")])
async def protect(wanted: Protection, tenant: LockedTenant, actor: CurrentActor, session: Session, platform: ThisPlatform) -> ProtectionOut:
    """Keep the clinic from being deleted by mistake, or no longer."""
    deletions.protect(session, platform, tenant, protected=wanted.protected, reason=wanted.reason, actor=actor)
    return ProtectionOut(slug=tenant.slug, protected=tenant.deletion_protected)


@router.get("/erasure-plan", dependencies=[Requires("tenants:read")])
async def plan_erasure(
    tenant: KnownTenant,
    session: Session,
    platform: ThisPlatform,
    handed_over: Annotated[bool, Query(description="As the clinic keeps its records itself.")] = False,
) -> ErasurePlanOut:
    """What an erasure of a deleted clinic would remove, system by system, and what the law asks to be kept. Nothing is written."""
    return ErasurePlanOut.of(await erasing.plan(session, platform, tenant, handed_over=handed_over))


@router.post("/erasures", status_code=202, dependencies=[Requires("tenants:delete")])
async def request_erasure(
    wanted: ErasureRequest, tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> ErasureOut:
    """Erase what is left of a deleted clinic. A receipt per system says what became of it; what a law asks for stays until its day."""
    if wanted.confirm != tenant.slug:
        raise ConfirmationMissing(tenant.slug)
    erasure = await erasing.request(session, platform, tenant, actor=actor, reason=wanted.reason, handed_over=wanted.handed_over)
    return ErasureOut.of(erasure, await erasing.receipts(session, erasure))


@router.get("/erasures", dependencies=[Requires("tenants:read")])
async def list_erasures(tenant: KnownTenant, session: Session) -> ErasureList:
    query = select(Erasure).where(Erasure.tenant_id == tenant.id).order_by(Erasure.number.desc())
    found = list(await session.scalars(query))
    return ErasureList(items=[ErasureOut.of(erasure, await erasing.receipts(session, erasure)) for erasure in found])


@router.get("/erasures/{erasure_id}", dependencies=[Requires("tenants:read")])
async def get_erasure(erasure_id: UUID, tenant: KnownTenant, session: Session) -> ErasureOut:
    erasure = await erasing.find(session, tenant, erasure_id)
    return ErasureOut.of(erasure, await erasing.receipts(session, erasure))

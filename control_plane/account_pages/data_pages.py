"""/account/{slug}/data: backups, exports, and putting a backup in the place of what the clinic has."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from control_plane.access.pages import typed
from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, Session, ThisPlatform
from control_plane.account_pages.routing import PATH, SHOWN, PageRoute, render
from control_plane.account_pages.texts import words_of
from control_plane.backups import service as backups
from control_plane.backups.models import Backup
from control_plane.exit import exports
from control_plane.exit.models import TenantExport
from control_plane.tenants.models import Tenant
from control_plane.tenants.router import KnownTenant, LockedTenant

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=PageRoute)


@router.get("/clinics/{slug}/data", dependencies=[Requires("backups:read"), Requires("exports:read")])
async def show_data(tenant: KnownTenant, request: Request, session: Session) -> Response:
    kept = select(Backup).where(Backup.tenant_id == tenant.id).order_by(Backup.requested_at.desc()).limit(SHOWN)
    packed = select(TenantExport).where(TenantExport.tenant_id == tenant.id).order_by(TenantExport.number.desc()).limit(SHOWN)
    return render(
        request,
        "data.html",
        tenant=tenant,
        at="data",
        backups=list(await session.scalars(kept)),
        exports=list(await session.scalars(packed)),
    )


@router.post("/clinics/{slug}/data/backup", dependencies=[Requires("backups:write")])
async def take_backup(tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    await backups.take(session, platform, tenant, actor=actor)
    return RedirectResponse(f"{PATH}/clinics/{tenant.slug}/data", 303)


@router.post("/clinics/{slug}/data/export", dependencies=[Requires("exports:write")])
async def ask_for_export(tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    """Everything the clinic has in one archive; the owner is mailed a link that downloads it once."""
    await exports.request(session, platform, tenant, actor=actor)
    return RedirectResponse(f"{PATH}/clinics/{tenant.slug}/data", 303)


async def restorable(backup_id: UUID, tenant: KnownTenant, session: Session) -> Backup:
    return await backups.ready(session, tenant, backup_id)


Restorable = Annotated[Backup, Depends(restorable)]


@router.get("/clinics/{slug}/data/restore/{backup_id}", dependencies=[Requires("backups:restore")])
async def show_restore(backup: Restorable, tenant: KnownTenant, request: Request) -> Response:
    """What the backup holds and what it takes the place of. Nothing is done yet."""
    return _restore_page(request, tenant, backup)


@router.post("/clinics/{slug}/data/restore/{backup_id}", dependencies=[Requires("backups:restore")])
async def restore(
    backup: Restorable, tenant: LockedTenant, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> Response:
    """Begin it, once the clinic's short name was typed: it takes the place of everything entered since."""
    given = await typed(request, "confirm")
    if given["confirm"].lower() != tenant.slug:
        return _restore_page(request, tenant, backup, problem=words_of(request)("confirm.differs", name=tenant.slug))
    await backups.restore(session, platform, tenant, backup.id, actor=actor)
    return RedirectResponse(f"{PATH}/clinics/{tenant.slug}?changed=1", 303)


def _restore_page(request: Request, tenant: Tenant, backup: Backup, *, problem: str | None = None) -> Response:
    then, today = set(backup.chosen), set(tenant.chosen)
    return render(
        request,
        "restore.html",
        422 if problem else 200,
        tenant=tenant,
        at="data",
        backup=backup,
        comes=sorted(then - today),
        goes=sorted(today - then),
        problem=problem,
    )

"""`/api/v1/modules`: what is installed here, what is pending, and scheduling of changes on a stand-alone runtime (seeds §5).

Reading needs a signed-in person of a clinic; changing needs `admin.modules.write`. Every change answers `requires_restart`.
"""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import modes
from app.core.auth.dependencies import ClinicContext, get_clinic_context, require_permission
from app.core.schemas import ApiResponse
from app.database import get_db, set_clinic

from . import books, service
from .errors import RestartImpossible, StillReferenced
from .loader import core_version, discover_modules
from .manifest import NavigationEntry
from .references import still_referenced
from .registry import ModuleRegistry

router = APIRouter(prefix="/api/v1/modules", tags=["modules"])

Session = Annotated[AsyncSession, Depends(get_db)]
Context = Annotated[ClinicContext, Depends(get_clinic_context)]
MayRead = Annotated[None, Depends(require_permission("admin.modules.read"))]
MayWrite = Annotated[None, Depends(require_permission("admin.modules.write"))]

RESTART_HINT = "Restart required: POST /api/v1/modules/-/restart, or `dentalpin modules restart`."


class ModuleOut(BaseModel):
    name: str
    title: str
    state: str
    version: str | None
    package_version: str | None
    category: str
    summary: str
    depends: list[str]
    dependents: list[str]
    removable: bool
    installable: bool
    present: bool
    error: str | None

    @classmethod
    def of(cls, view: service.ModuleView) -> "ModuleOut":
        return cls.model_validate({field: getattr(view, field) for field in cls.model_fields})


class ActiveModuleOut(BaseModel):
    name: str
    version: str
    category: str
    navigation: list[NavigationEntry]


class ActiveOut(BaseModel):
    modules: list[ActiveModuleOut]
    navigation: list[NavigationEntry]
    """All entries this person may open, merged and ordered."""
    permissions: list[str]
    mode: modes.Mode
    banner: str | None
    """What to tell everybody on every page, None in normal mode."""


class StatusOut(BaseModel):
    pending: list[ModuleOut]
    errored: list[ModuleOut]
    requires_restart: bool


class OperationOut(BaseModel):
    id: int
    module: str
    operation: str
    step: str
    status: str
    attempt: int
    created_at: datetime
    details: dict[str, Any]


class ScheduledOut(BaseModel):
    operation: str
    modules: list[str]
    requires_restart: bool


class RestartOut(BaseModel):
    restarting: bool


@router.get("", summary="Every module known here")
async def list_modules(_: MayRead, db: Session) -> ApiResponse[list[ModuleOut]]:
    return ApiResponse(data=[ModuleOut.of(view) for view in await service.overview(db, discover_modules())])


@router.get("/-/active", summary="What is mounted, with the navigation this person may use")
async def active(context: Context, request: Request) -> ApiResponse[ActiveOut]:
    registry: ModuleRegistry = request.app.state.registry
    allowed = registry.navigation(context.permissions)
    modules = [
        ActiveModuleOut(
            name=module.name,
            version=module.manifest.version,
            category=module.manifest.category,
            navigation=[entry for name, entry in allowed if name == module.name],
        )
        for module in registry.active
    ]
    mode: modes.Mode = request.app.state.mode
    answer = ActiveOut(
        modules=modules,
        navigation=[entry for _, entry in allowed],
        permissions=sorted(context.permissions),
        mode=mode,
        banner=modes.BANNERS.get(mode),
    )
    return ApiResponse(data=answer)


@router.get("/-/status", summary="Pending and failed modules")
async def status(_: MayRead, db: Session) -> ApiResponse[StatusOut]:
    views = [ModuleOut.of(view) for view in await service.overview(db, discover_modules())]
    pending = [view for view in views if view.state.startswith("to_")]
    errored = [view for view in views if view.error]
    return ApiResponse(data=StatusOut(pending=pending, errored=errored, requires_restart=bool(pending)))


@router.post("/-/restart", status_code=202, summary="Have this process replaced, so that pending changes happen")
async def restart(_: MayWrite) -> ApiResponse[RestartOut]:
    from app.core.runtime import process

    serving = process.current()
    if serving is None:
        raise RestartImpossible
    serving.request_restart("a restart was asked for")
    return ApiResponse(data=RestartOut(restarting=True), message="The runtime is being restarted.")


@router.get("/{name}", summary="One module")
async def get_module(name: str, _: MayRead, db: Session) -> ApiResponse[ModuleOut]:
    return ApiResponse(data=ModuleOut.of(await service.find(db, discover_modules(), name)))


@router.get("/{name}/operations", summary="The newest entries of the module's trail")
async def get_operations(name: str, _: MayRead, db: Session, limit: int = 50) -> ApiResponse[list[OperationOut]]:
    await service.find(db, discover_modules(), name)
    rows = await books.operations(db, name, limit=max(1, min(limit, 500)))
    return ApiResponse(data=[OperationOut.model_validate({**row, "module": row["module_name"]}) for row in rows])


@router.post("/{name}/install", status_code=202)
async def install(name: str, _: MayWrite, db: Session, request: Request) -> ApiResponse[ScheduledOut]:
    await _refuse_if_managed(db, request)
    return _answer(await service.install(db, discover_modules(), name, core_version=core_version()))


@router.post("/{name}/upgrade", status_code=202)
async def upgrade(name: str, _: MayWrite, db: Session, request: Request) -> ApiResponse[ScheduledOut]:
    await _refuse_if_managed(db, request)
    return _answer(await service.upgrade(db, discover_modules(), name))


@router.post("/{name}/uninstall", status_code=202)
async def uninstall(name: str, _: MayWrite, db: Session, context: Context, request: Request) -> ApiResponse[ScheduledOut]:
    await _refuse_if_managed(db, request)
    scheduled = await service.uninstall(db, discover_modules(), name)
    await _refuse_while_another_clinic_uses_it(db, name, context)
    return _answer(scheduled)


async def _refuse_if_managed(db: AsyncSession, request: Request) -> None:
    await service.refuse_if_managed(db, managed=request.app.state.settings.managed)


async def _refuse_while_another_clinic_uses_it(db: AsyncSession, name: str, context: ClinicContext) -> None:
    """A request sees one clinic's rows at a time, so each clinic is looked at by itself; the processor looks again at all."""
    owners = await books.table_owners(db)
    found: dict[str, None] = {}
    for clinic in await service.clinics(db):
        await set_clinic(db, clinic)
        found.update(dict.fromkeys(await still_referenced(db, name, owners)))
    await set_clinic(db, context.clinic_id)
    if found:
        raise StillReferenced(name, list(found))


def _answer(scheduled: service.Scheduled) -> ApiResponse[ScheduledOut]:
    data = ScheduledOut(operation=scheduled.operation, modules=list(scheduled.modules), requires_restart=scheduled.requires_restart)
    return ApiResponse(data=data, message=RESTART_HINT if scheduled.requires_restart else "Nothing has to be restarted.")

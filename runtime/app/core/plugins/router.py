"""`/api/v1/modules`: what is installed here, what is pending, what a change would do, and asking for it (seeds §5).

Reading needs `admin.modules.read`; changing needs `admin.modules.write` in every clinic, since modules are everybody's. Every change
answers with its plan and `requires_restart`.
"""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import clock, modes
from app.core.auth.dependencies import ClinicContext, get_clinic_context, require_permission
from app.core.copies.copy import Copy
from app.core.demos.demo import Demo
from app.core.schemas import ApiResponse
from app.core.standing.standing import Payments
from app.core.support import service as support
from app.core.support.schemas import SupportPresent
from app.database import current_unit, get_db

from . import books, service
from .errors import ManagedElsewhere, RestartImpossible
from .loader import core_version, discover_modules
from .plan import Brings, Change
from .registry import ModuleRegistry
from .retrying import Limits
from .schemas import (
    ActiveModuleOut,
    ActiveOut,
    BackupOut,
    ChangeIn,
    DoctorOut,
    FindingOut,
    ModuleOut,
    OperationOut,
    PaymentsOut,
    PlanOut,
    RequestOut,
    RestartIn,
    RestartOut,
    RetryOut,
    ScheduledOut,
    StatusOut,
    UninstallIn,
)
from .survey import platform_of
from .who import in_every_clinic

router = APIRouter(prefix="/api/v1/modules", tags=["modules"])

Session = Annotated[AsyncSession, Depends(get_db)]
Context = Annotated[ClinicContext, Depends(get_clinic_context)]
MayRead = Annotated[None, Depends(require_permission("admin.modules.read"))]
MayChange = Annotated[ClinicContext, Depends(in_every_clinic)]
Limit = Annotated[int, Query(ge=1, le=500)]

RESTART_HINT = "Restart required: POST /api/v1/modules/-/restart, or `dentalpin modules restart`."


@router.get("", summary="Every module known here")
async def list_modules(_: MayRead, db: Session) -> ApiResponse[list[ModuleOut]]:
    return ApiResponse(data=[ModuleOut.of(view) for view in await service.overview(db, discover_modules())])


@router.get("/-/active", summary="What is in use, with the navigation this person may open")
async def active(context: Context, request: Request, db: Session) -> ApiResponse[ActiveOut]:
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
    copy: Copy | None = request.app.state.copy
    payments: Payments | None = request.app.state.payments
    demo: Demo | None = request.app.state.demo
    told = (copy.banner if copy else None, demo.banner if demo else None, modes.BANNERS.get(mode), payments.told() if payments else None)
    answer = ActiveOut(
        modules=modules,
        navigation=[entry for _, entry in allowed],
        permissions=sorted(context.permissions),
        mode=mode,
        banner=" ".join(filter(None, told)) or None,
        payments=PaymentsOut(**asdict(payments)) if payments else None,
        copy_of=copy.of if copy else None,
        demo_until=demo.until if demo else None,
        support=[SupportPresent.of(each) for each in await support.active(db, at=clock.now())],
    )
    return ApiResponse(data=answer)


@router.get("/-/status", summary="Pending and failed modules")
async def status(_: MayRead, db: Session) -> ApiResponse[StatusOut]:
    views = [ModuleOut.of(view) for view in await service.overview(db, discover_modules())]
    pending = [view for view in views if view.state.startswith("to_")]
    errored = [view for view in views if view.error]
    return ApiResponse(data=StatusOut(pending=pending, errored=errored, requires_restart=bool(pending)))


@router.get("/-/doctor", summary="What is wrong with the modules of this runtime")
async def doctor(_: MayRead, db: Session, context: Context, request: Request) -> ApiResponse[DoctorOut]:
    from .doctor import examine

    limits = Limits.of(request.app.state.settings)
    findings = await examine(
        await db.connection(), discover_modules(), core_version=core_version(), limits=limits, clinics=[context.clinic_id]
    )
    shown = [FindingOut(code=each.code, severity=each.severity, module=each.module, message=each.message) for each in findings]
    return ApiResponse(data=DoctorOut(ok=not any(each.severity == "error" for each in shown), findings=shown))


@router.get("/-/requests", summary="Who asked for which change")
async def get_requests(_: MayRead, db: Session, limit: Limit = 50) -> ApiResponse[list[RequestOut]]:
    return ApiResponse(data=[RequestOut.model_validate(row) for row in await service.requests(db, limit=limit)])


@router.post("/-/restart", status_code=202, summary="Have this process replaced, so that pending changes happen")
async def restart(context: MayChange, db: Session, request: Request, given: RestartIn | None = None) -> ApiResponse[RestartOut]:
    from app.core.runtime import process

    settings = request.app.state.settings
    serving = process.current()
    if settings.managed and settings.status_fd is None:
        # Nobody on this machine would start another: the platform replaces the process where it runs.
        raise ManagedElsewhere((await platform_of(db))[1], "Processes of this runtime are replaced by the platform", "Restart it there.")
    if serving is None:
        raise RestartImpossible
    asker = _asker(context, given)
    await service.note_request(db, "restart", (), asker)
    reason = f"a restart was asked for by {asker.user_id}" + (f": {asker.reason}" if asker.reason else "")
    unit = current_unit()
    assert unit is not None
    unit.after_commit(lambda: serving.request_restart(reason))
    return ApiResponse(data=RestartOut(restarting=True), message="The runtime is being restarted.")


@router.get("/{name}", summary="One module")
async def get_module(name: str, _: MayRead, db: Session) -> ApiResponse[ModuleOut]:
    return ApiResponse(data=ModuleOut.of(await service.find(db, discover_modules(), name)))


@router.get("/{name}/operations", summary="The newest entries of the module's trail")
async def get_operations(name: str, _: MayRead, db: Session, limit: Limit = 50) -> ApiResponse[list[OperationOut]]:
    await service.find(db, discover_modules(), name)
    rows = await books.operations(db, name, limit=limit)
    return ApiResponse(data=[OperationOut.model_validate({**row, "module": row["module_name"]}) for row in rows])


@router.get("/{name}/backups", summary="What `dentalpin modules restore` can bring back")
async def get_backups(name: str, _: MayRead, db: Session, request: Request) -> ApiResponse[list[BackupOut]]:
    from .backup import list_backups

    await service.find(db, discover_modules(), name)
    return ApiResponse(
        data=[BackupOut.model_validate(backup.summary()) for backup in list_backups(request.app.state.settings.storage, name)]
    )


@router.get("/{name}/plan", summary="What a change would do: steps, the whole chain, rows to go, what stands against it")
async def get_plan(
    name: str, _: MayRead, db: Session, request: Request, operation: Change, with_unneeded: bool = False
) -> ApiResponse[PlanOut]:
    plan = await service.preview(db, _around(request), operation, name, with_unneeded=with_unneeded)
    return ApiResponse(data=PlanOut.of(plan), message=plan.message)


@router.post("/{name}/install", status_code=202, summary="Install it and all it needs, at the next restart")
async def install(name: str, context: MayChange, db: Session, request: Request, given: ChangeIn | None = None) -> ApiResponse[ScheduledOut]:
    return await _ask(request, db, Change.INSTALL, name, context, given)


@router.post("/{name}/upgrade", status_code=202, summary="Upgrade it to the version of its package, at the next restart")
async def upgrade(name: str, context: MayChange, db: Session, request: Request, given: ChangeIn | None = None) -> ApiResponse[ScheduledOut]:
    return await _ask(request, db, Change.UPGRADE, name, context, given)


@router.post("/{name}/uninstall", status_code=202, summary="Remove it with its rows, which are backed up, at the next restart")
async def uninstall(
    name: str, context: MayChange, db: Session, request: Request, given: UninstallIn | None = None
) -> ApiResponse[ScheduledOut]:
    return await _ask(request, db, Change.UNINSTALL, name, context, given, with_unneeded=given is not None and given.with_unneeded)


@router.post("/{name}/enable", summary="Switch it on at once, with all it needs")
async def enable(name: str, context: MayChange, db: Session, request: Request, given: ChangeIn | None = None) -> ApiResponse[ScheduledOut]:
    return await _ask(request, db, Change.ENABLE, name, context, given)


@router.post("/{name}/disable", summary="Switch it off at once; its data is kept and its events wait")
async def disable(name: str, context: MayChange, db: Session, request: Request, given: ChangeIn | None = None) -> ApiResponse[ScheduledOut]:
    return await _ask(request, db, Change.DISABLE, name, context, given)


@router.post("/{name}/retry", status_code=202, summary="Try again what failed, at the next restart")
async def retry(name: str, context: MayChange, db: Session, given: ChangeIn | None = None) -> ApiResponse[RetryOut]:
    names = await service.retry(db, _asker(context, given), name)
    return ApiResponse(data=RetryOut(modules=list(names), requires_restart=True), message=RESTART_HINT)


def _around(request: Request) -> service.Surroundings:
    """A serving process looks into mounted modules only: the package of another is not imported for a question."""
    registry: ModuleRegistry = request.app.state.registry

    def describe(name: str) -> Brings:
        mounted = registry.get(name)
        return service.brings_of(mounted) if mounted is not None else Brings()

    return service.Surroundings(discover_modules(), core_version(), describe, managed=request.app.state.settings.managed)


def _asker(context: ClinicContext, given: ChangeIn | RestartIn | None) -> service.Asker:
    return service.Asker("api", context.user.id, given.reason if given is not None else "")


async def _ask(
    request: Request,
    db: AsyncSession,
    change: Change,
    name: str,
    context: ClinicContext,
    given: ChangeIn | None,
    *,
    with_unneeded: bool = False,
) -> ApiResponse[ScheduledOut]:
    scheduled = await service.ask(db, _around(request), change, name, asker=_asker(context, given), with_unneeded=with_unneeded)
    registry: ModuleRegistry = request.app.state.registry
    off = await service.switched_off(db)
    unit = current_unit()
    assert unit is not None
    # Other processes are notified; this one need not wait for its own notice.
    unit.after_commit(lambda: registry.set_disabled(off))
    hint = RESTART_HINT if scheduled.requires_restart else "Nothing has to be restarted."
    return ApiResponse(data=ScheduledOut.of(scheduled), message=f"{scheduled.plan.message} {hint}")

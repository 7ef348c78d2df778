"""`/api/v1/roles`: the clinic's roles, what each may do, and roles of its own."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import trail
from app.core.auth.dependencies import ClinicContext, get_clinic_context, require_permission
from app.core.auth.permissions import CORE_PERMISSIONS
from app.core.schemas import ApiResponse
from app.database import get_db

from . import service
from .schemas import PermissionOut, RoleChange, RoleIn, RoleOut

router = APIRouter(prefix="/roles", tags=["roles"])

Clinic = Annotated[ClinicContext, Depends(get_clinic_context)]
Db = Annotated[AsyncSession, Depends(get_db)]
MayRead = Annotated[None, Depends(require_permission("admin.roles.read"))]
MayWrite = Annotated[None, Depends(require_permission("admin.roles.write"))]


@router.get("", response_model=ApiResponse[list[RoleOut]])
async def list_roles(ctx: Clinic, _: MayRead, db: Db, request: Request) -> ApiResponse[list[RoleOut]]:
    modules = request.app.state.registry
    return ApiResponse(data=[RoleOut.of(role, people, modules) for role, people in await service.list_roles(db, ctx.clinic_id)])


@router.get("/-/permissions", response_model=ApiResponse[list[PermissionOut]])
async def list_permissions(_: MayRead, request: Request) -> ApiResponse[list[PermissionOut]]:
    """Everything that can be granted here: the core's permissions and those of the modules in force."""
    names = service.known_permissions(request.app.state.registry)
    return ApiResponse(
        data=[PermissionOut(name=name, module=None if name in CORE_PERMISSIONS else name.partition(".")[0]) for name in names]
    )


@router.post("", response_model=ApiResponse[RoleOut], status_code=201)
async def create_role(given: RoleIn, ctx: Clinic, _: MayWrite, db: Db, request: Request) -> ApiResponse[RoleOut]:
    """A role of the clinic's own; it can hold nothing the caller does not have."""
    modules = request.app.state.registry
    role = await service.create_role(db, ctx.clinic_id, given, own=ctx.permissions, modules=modules)
    await trail.record(db, request, "role_created", clinic_id=ctx.clinic_id, actor_id=ctx.user_id, role=role.name)
    return ApiResponse(data=RoleOut.of(role, 0, modules))


@router.patch("/{name}", response_model=ApiResponse[RoleOut])
async def change_role(name: str, change: RoleChange, ctx: Clinic, _: MayWrite, db: Db, request: Request) -> ApiResponse[RoleOut]:
    """Grant and deny; of the standard roles, admin stays as it is. It holds from the next request of everybody who has the role."""
    modules = request.app.state.registry
    role = await service.change_role(db, ctx.clinic_id, name, change, own=ctx.permissions, modules=modules)
    await trail.record(
        db, request, "role_changed", clinic_id=ctx.clinic_id, actor_id=ctx.user_id, role=name, granted=role.granted, denied=role.denied
    )
    people = next(count for each, count in await service.list_roles(db, ctx.clinic_id) if each.name == name)
    return ApiResponse(data=RoleOut.of(role, people, modules))


@router.delete("/{name}", response_model=ApiResponse[None])
async def remove_role(name: str, ctx: Clinic, _: MayWrite, db: Db, request: Request) -> ApiResponse[None]:
    """Remove a role of the clinic's own that nobody has."""
    await service.remove_role(db, ctx.clinic_id, name)
    await trail.record(db, request, "role_removed", clinic_id=ctx.clinic_id, actor_id=ctx.user_id, role=name)
    return ApiResponse(data=None, message="The role is gone.")

"""What a support session may ask, route by route: whole looks at the clinic's modules, and at the state of modules and jobs."""

from collections.abc import Iterator
from datetime import date
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin
from uuid import UUID

from fastapi import Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import modes
from app.core.auth.identity import CLINIC_COLUMNS, ClinicRole, CurrentClinic, CurrentUser, Identity
from app.core.auth.permissions import RoleGrants
from app.core.clinics.models import Clinic

from .errors import SupportNoExport, SupportNoSearch, SupportReadsOnly
from .models import SupportAccess

ROLE: Final = "support"
GRANTS: Final = RoleGrants(
    None,
    granted=("*",),
    denied=("agents.*", "admin.audit.*", "admin.clinic.*", "admin.roles.*", "admin.support.*", "admin.users.*"),
)
"""Everything of the modules, by name: what they only may be done with is decided by the method and the transaction."""
_CLINIC_ARGUMENT: Final = "clinic_id"
_PAGING: Final = frozenset({"page", "page_size", "limit", "offset"})
"""The numbers that may be given: any other could be a telephone number tried out."""


async def identity_of(session: AsyncSession, access: SupportAccess) -> Identity:
    """Somebody who works in every clinic of the tenant, in a role of its own."""
    rows = await session.execute(select(*CLINIC_COLUMNS).where(Clinic.status == "active").order_by(Clinic.name, Clinic.id))
    user = CurrentUser(access.id, access.operator, access.operator_name, is_owner=False, has_second_factor=True)
    clinics = [CurrentClinic(**row) for row in rows.mappings()]
    return Identity(user, access.id, tuple(ClinicRole(clinic, ROLE, GRANTS) for clinic in clinics), None)


def refuse_beyond_looking(request: Request) -> None:
    """Raises SupportReadsOnly, SupportNoExport, SupportNoSearch."""
    kind = modes.kind_of(request.scope.get("endpoint"), request.method)
    if kind == "export":
        raise SupportNoExport
    if kind != "read":
        raise SupportReadsOnly
    closed = {_CLINIC_ARGUMENT, *(name for name, declared in _arguments(request) if name in _PAGING or _closed(declared))}
    if typed := sorted({*request.query_params, *request.path_params} - closed):
        raise SupportNoSearch(typed)


def _arguments(request: Request) -> Iterator[tuple[str, Any]]:
    """Every argument in the path or the query, of the route and of what it depends on, with its type."""
    waiting = [getattr(request.scope.get("route"), "dependant", None)]
    while waiting:
        dependant: Any = waiting.pop()
        if dependant is None:
            continue
        for each in (*dependant.query_params, *dependant.path_params):
            yield each.alias, each.field_info.annotation
        waiting += dependant.dependencies


def _closed(kind: Any) -> bool:
    """Whether nothing but yes or no, a day, an identifier or one of a few words can be given for it."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _closed(get_args(kind)[0])
    if origin in (Union, UnionType, list):
        return all(_closed(each) for each in get_args(kind) if each is not NoneType)
    return origin is Literal or (isinstance(kind, type) and issubclass(kind, bool | UUID | date | Enum))

"""What a route asks of who calls it: `@router.get("/…", dependencies=[Requires("tenants:read")])`, or for all routes of a router
`APIRouter(…, dependencies=[Guards("tenants")])`: `tenants:read` for GET, `tenants:write` for the others.

Read before the endpoint and before a stored answer is repeated. A route that declares nothing is for administrators only, and fails
tests/control_plane/access/test_authorisation_matrix.py. Owners and resellers reach what names a tenant in its path (`{slug}`), where it is
theirs, and routes declared `own=True`, which look to it themselves; a tenant that is not theirs is one that does not exist.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy import Select, false, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.access.errors import ForOperators, ScopeNeeded, SecondFactorMissing
from control_plane.access.models import TenantGrant
from control_plane.access.scopes import ALL, AREAS
from control_plane.operations.errors import UnknownOperation
from control_plane.operations.models import Operation
from control_plane.tenants.errors import UnknownTenant
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState

TENANT_IN_PATH: Final = "slug"
OPERATION_IN_PATH: Final = "operation_id"
EVERYTHING: Final = "*"
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
BY_SLUG: Final = (Tenant.state == TenantState.DELETED, Tenant.deleted_at.desc())
"""A slug names the living tenant that has it, else the last deleted one: as tenants.service.find does."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """`scope` None: whoever is signed in. An area instead of a scope stands for its `:read` or `:write`, by the request's method."""

    scope: str | None
    own: bool = False
    """The route confines owners and resellers itself."""
    enrolling: bool = False
    """Also for an operator who has no second factor yet."""

    def scope_for(self, method: str) -> str | None:
        if self.scope is None or ":" in self.scope:
            return self.scope
        return f"{self.scope}:{'read' if method in READING else 'write'}"

    async def __call__(self, request: Request) -> None:
        """Asked before, by the route itself or by the dependency that finds out who is calling."""


def Requires(scope: str | None, *, own: bool = False, enrolling: bool = False) -> Any:  # noqa: N802 - reads as the declaration it is, like Depends
    """The dependency that declares it. Raises ValueError for a scope that no role could hold."""
    if scope is not None and scope not in ALL:
        raise ValueError(f"{scope!r} is no scope; control_plane.access.scopes lists them")
    return Depends(Requirement(scope, own, enrolling))


def Guards(area: str) -> Any:  # noqa: N802 - as above
    """The dependency of a router whose routes read or write this area. Raises ValueError for an area there is none of."""
    if area not in AREAS:
        raise ValueError(f"{area!r} is no area; control_plane.access.scopes lists them")
    return Depends(Requirement(area))


def requirements(dependant: Any) -> Iterator[Requirement]:
    """What a route declares, whichever of its dependencies says it."""
    for inner in getattr(dependant, "dependencies", ()):
        if isinstance(inner.call, Requirement):
            yield inner.call
        yield from requirements(inner)


async def permit(session: AsyncSession, actor: Actor, dependant: Any, request: Request) -> None:
    """Let the request go on, or raise ScopeNeeded, SecondFactorMissing, ForOperators, UnknownTenant or UnknownOperation."""
    declared = list(requirements(dependant))
    if actor.session_id is not None and not actor.scopes and not any(one.enrolling for one in declared):
        raise SecondFactorMissing
    if not declared and not actor.scopes >= ALL:
        raise ScopeNeeded(EVERYTHING)
    for requirement in declared:
        scope = requirement.scope_for(request.method)
        if scope is not None and not actor.may(scope):
            raise ScopeNeeded(scope)
    if actor.sees_all:
        return
    given = request.path_params
    if TENANT_IN_PATH in given:
        await must_see(session, actor, cast(str, given[TENANT_IN_PATH]))
    elif OPERATION_IN_PATH in given:
        await _must_see_operation(session, actor, str(given[OPERATION_IN_PATH]))
    elif not any(requirement.own for requirement in declared):
        raise ForOperators


async def must_see(session: AsyncSession, actor: Actor, slug: str) -> None:
    """Raises UnknownTenant for a tenant that is not there, or not theirs: which of the two is nobody's business."""
    named = await session.scalar(select(Tenant.id).where(Tenant.slug == slug).order_by(*BY_SLUG).limit(1))
    if named is None or await session.scalar(visible(select(Tenant.id).where(Tenant.id == named), actor)) is None:
        raise UnknownTenant(slug)


async def _must_see_operation(session: AsyncSession, actor: Actor, text: str) -> None:
    try:
        operation_id = UUID(text)
    except ValueError:
        return  # the route itself says what an id looks like
    query = select(Tenant.id).join(Operation, Operation.tenant_id == Tenant.id).where(Operation.id == operation_id)
    if await session.scalar(visible(query, actor)) is None:
        raise UnknownOperation(operation_id)


def visible(query: Select[Any], actor: Actor) -> Select[Any]:
    """`query`, which selects from Tenant, narrowed to the tenants this actor may see."""
    if actor.sees_all:
        return query
    # An absent id must match nothing: compared with None it would match every grant of the other sort.
    granted = [
        column == value
        for column, value in ((TenantGrant.account_id, actor.account_id), (TenantGrant.reseller_id, actor.reseller_id))
        if value is not None
    ]
    return query.where(Tenant.id.in_(select(TenantGrant.tenant_id).where(or_(false(), *granted), TenantGrant.ended_at.is_(None))))

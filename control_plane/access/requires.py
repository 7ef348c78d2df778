"""What a route asks of who calls it: `@router.get("/…", dependencies=[Requires("tenants:read")])`.

Read before the endpoint and before a stored answer is repeated. A route that declares nothing is for administrators only, and fails
tests/control_plane/access/test_authorisation_matrix.py. Owners and resellers reach what names a tenant in its path (`{slug}`), where it is
theirs, and routes declared `own=True`, which look to it themselves; a tenant that is not theirs is one that does not exist.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

from fastapi import Depends, Request
from sqlalchemy import Select, false, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.access.errors import ForOperators, ScopeNeeded
from control_plane.access.models import TenantGrant
from control_plane.access.scopes import ALL
from control_plane.tenants.errors import UnknownTenant
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState

TENANT_IN_PATH: Final = "slug"
EVERYTHING: Final = "*"
BY_SLUG: Final = (Tenant.state == TenantState.DELETED, Tenant.deleted_at.desc())
"""A slug names the living tenant that has it, else the last deleted one: as tenants.service.find does."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """`scope` None: whoever is signed in."""

    scope: str | None
    own: bool = False
    """The route confines owners and resellers itself."""

    async def __call__(self, request: Request) -> None:
        """Routes of PlatformRoute have asked before; others are asked here, their caller being known."""


def Requires(scope: str | None, *, own: bool = False) -> Any:  # noqa: N802 - reads as the declaration it is, like Depends
    """The dependency that declares it. Raises ValueError for a scope that no role could hold."""
    if scope is not None and scope not in ALL:
        raise ValueError(f"{scope!r} is no scope; control_plane.access.scopes lists them")
    return Depends(Requirement(scope, own))


def requirements(dependant: Any) -> Iterator[Requirement]:
    """What a route declares, whichever of its dependencies says it."""
    for inner in getattr(dependant, "dependencies", ()):
        if isinstance(inner.call, Requirement):
            yield inner.call
        yield from requirements(inner)


async def permit(session: AsyncSession, actor: Actor, dependant: Any, request: Request) -> None:
    """Let the request go on, or raise ScopeNeeded, ForOperators or UnknownTenant."""
    declared = list(requirements(dependant))
    if not declared and not actor.scopes >= ALL:
        raise ScopeNeeded(EVERYTHING)
    for requirement in declared:
        if requirement.scope is not None and not actor.may(requirement.scope):
            raise ScopeNeeded(requirement.scope)
    if actor.sees_all:
        return
    slug = request.path_params.get(TENANT_IN_PATH)
    if slug is not None:
        await must_see(session, actor, cast(str, slug))
    elif not any(requirement.own for requirement in declared):
        raise ForOperators


async def must_see(session: AsyncSession, actor: Actor, slug: str) -> None:
    """Raises UnknownTenant for a tenant that is not there, or not theirs: which of the two is nobody's business."""
    named = await session.scalar(select(Tenant.id).where(Tenant.slug == slug).order_by(*BY_SLUG).limit(1))
    if named is None or await session.scalar(visible(select(Tenant.id).where(Tenant.id == named), actor)) is None:
        raise UnknownTenant(slug)


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

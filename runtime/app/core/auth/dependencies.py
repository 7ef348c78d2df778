"""What every route takes: the clinic of the request and a permission (guide §3)."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, Final, Protocol
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import get_db, set_clinic
from dentalpin_kit import logs

from .errors import ClinicIdInvalid, CrossOrigin, NotSignedIn, PermissionDenied
from .identity import CurrentClinic, CurrentUser, Identity, identify
from .permissions import Permissions, permissions_for
from .state import auth_state, changes_something, from_elsewhere
from .tokens import Claims

__all__ = ["ClinicContext", "asked_clinic", "get_claims", "get_clinic_context", "get_identity", "require_permission"]

_IDENTITY: Final = "dentalpin.identity"
VISITOR: Final = "dentalpin.visitor"
"""In the scope of a request of somebody who is no member of any clinic: support, let in by one (app.core.support)."""


class Visitor(Protocol):
    async def identify(self, request: Request, db: AsyncSession) -> Identity:
        """Who they are for this request. Raises what refuses it."""
        ...


@dataclass(frozen=True, slots=True)
class ClinicContext:
    """The clinic a request is about, who asks, in which role, and what that role may do."""

    clinic: CurrentClinic
    user: CurrentUser
    role: str
    permissions: Permissions

    @property
    def clinic_id(self) -> UUID:
        return self.clinic.id

    @property
    def user_id(self) -> UUID:
        return self.user.id


async def get_claims(request: Request) -> Claims:
    """The claims of the bearer token, else of the session's cookie. Raises NotSignedIn, SessionEnded, CrossOrigin.

    A cookie is sent by the browser whoever wrote the page, so with it only pages of this origin may change something.
    """
    state = auth_state(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return state.tokens.read(token.strip(), "access")
    cookie = request.cookies.get(state.cookie)
    if not cookie:
        raise NotSignedIn
    if changes_something(request.method) and from_elsewhere(request):
        raise CrossOrigin
    return state.tokens.read(cookie, "page")


async def get_identity(
    request: Request, claims: Annotated[Claims, Depends(get_claims)], db: Annotated[AsyncSession, Depends(get_db)]
) -> Identity:
    """The signed-in person and their clinics, without choosing one."""
    return await _identified(request, claims, db)


async def _identified(request: Request, claims: Claims, db: AsyncSession) -> Identity:
    """Read once per request: after its clinic is chosen, the others' memberships are not there any more (row-level security)."""
    known: Identity | None = request.scope.get(_IDENTITY)
    if known is None:
        known = request.scope[_IDENTITY] = await identify(db, claims)
    return known


async def asked_clinic(request: Request) -> UUID | None:
    """The clinic a request names, if it names one. Raises ClinicIdInvalid."""
    given = request.headers.get("x-clinic-id") or request.query_params.get("clinic_id")
    if not given:
        return None
    try:
        return UUID(given)
    except ValueError as error:
        raise ClinicIdInvalid from error


async def get_clinic_context(request: Request, db: Annotated[AsyncSession, Depends(get_db)]) -> ClinicContext:
    """The clinic of the request: `X-Clinic-Id`, else `?clinic_id=`, else the token's, else the only membership.

    From here on the transaction sees the rows of that clinic only. Raises SecondFactorRequired where the clinic asks for one.
    """
    # Called, not asked for as dependencies: FastAPI takes each route's tree of those apart anew, and walks it at each request.
    visitor: Visitor | None = request.scope.get(VISITOR)
    if visitor is not None:
        identity = await visitor.identify(request, db)
    else:
        identity = await _identified(request, await get_claims(request), db)
    membership = identity.membership(await asked_clinic(request))
    logs.add(clinic=membership.clinic.id)
    await set_clinic(db, membership.clinic.id)
    permissions = permissions_for(membership.grants, request.app.state.registry)
    return ClinicContext(membership.clinic, identity.user, membership.role, permissions)


def require_permission(permission: str) -> Callable[..., Coroutine[Any, Any, None]]:
    """A dependency that lets only those pass who have the namespaced permission in the clinic of the request."""

    async def check(context: Annotated[ClinicContext, Depends(get_clinic_context)]) -> None:
        if permission not in context.permissions:
            raise PermissionDenied(permission, context.role)

    # Read by the module checks: which routes ask for which permission.
    check.permission = permission  # type: ignore[attr-defined]  # a function's own attribute has no static type
    return check

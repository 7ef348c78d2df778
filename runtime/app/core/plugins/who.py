"""Who may do what concerns every clinic of the tenant, such as changing modules: one clinic's administrator is not enough."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

import sqlalchemy as sa
from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth.dependencies import ClinicContext, get_claims, get_clinic_context
from app.core.auth.errors import PermissionDenied
from app.core.auth.identity import Identity, identify
from app.core.auth.permissions import permissions_for
from app.database import get_db, set_clinic

from .errors import EveryClinicNeeded

WRITE: Final = "admin.modules.write"
_ACTIVE_CLINICS: Final = sa.text("SELECT id FROM clinics WHERE status = 'active'")


def needed_in_every_clinic(permission: str) -> Callable[..., Coroutine[Any, Any, ClinicContext]]:
    """A dependency that lets in who has the permission in every active clinic, or owns the tenant."""

    async def check(
        request: Request,
        context: Annotated[ClinicContext, Depends(get_clinic_context)],
        db: Annotated[AsyncSession, Depends(get_db)],
    ) -> ClinicContext:
        """Raises PermissionDenied, EveryClinicNeeded."""
        if context.user.is_owner:
            return context
        if permission not in context.permissions:
            raise PermissionDenied(permission, context.role)
        # The roles of other clinics are seen only while no clinic is chosen.
        await set_clinic(db, None)
        identity = await identify(db, await get_claims(request))
        await refuse_unless_everywhere(request, db, identity, permission)
        await set_clinic(db, context.clinic_id)
        return context

    # Read by the module checks and the generated references: which routes ask for which permission.
    check.permission = permission  # type: ignore[attr-defined]  # a function's own attribute has no static type
    check.everywhere = True  # type: ignore[attr-defined]  # as above
    return check


async def refuse_unless_everywhere(request: Request, db: AsyncSession, identity: Identity, permission: str) -> None:
    """Raises EveryClinicNeeded. The transaction has no clinic chosen."""
    registry = request.app.state.registry
    allowed = {each.clinic.id for each in identity.memberships if permission in permissions_for(each.grants, registry)}
    clinics = set((await db.execute(_ACTIVE_CLINICS)).scalars())
    if lacking := clinics - allowed:
        raise EveryClinicNeeded(permission, len(lacking), len(clinics))


in_every_clinic = needed_in_every_clinic(WRITE)

"""Who may change modules and restart: that concerns every clinic of the tenant, so one clinic's administrator is not enough."""

from typing import Annotated, Final

import sqlalchemy as sa
from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth.dependencies import ClinicContext, get_claims, get_clinic_context
from app.core.auth.errors import PermissionDenied
from app.core.auth.identity import identify
from app.core.auth.permissions import permissions_for
from app.database import get_db, set_clinic

from .errors import EveryClinicNeeded

WRITE: Final = "admin.modules.write"
_ACTIVE_CLINICS: Final = sa.text("SELECT id FROM clinics WHERE status = 'active'")


async def in_every_clinic(
    request: Request,
    context: Annotated[ClinicContext, Depends(get_clinic_context)],
    db: Annotated[AsyncSession, Depends(get_db)],
) -> ClinicContext:
    """Let in who may change modules in every active clinic, or owns the tenant. Raises PermissionDenied, EveryClinicNeeded."""
    if context.user.is_owner:
        return context
    if WRITE not in context.permissions:
        raise PermissionDenied(WRITE, context.role)
    registry = request.app.state.registry
    # The roles of other clinics are seen only while no clinic is chosen.
    await set_clinic(db, None)
    identity = await identify(db, await get_claims(request))
    await set_clinic(db, context.clinic_id)
    allowed = {each.clinic.id for each in identity.memberships if WRITE in permissions_for(each.grants, registry)}
    clinics = set((await db.execute(_ACTIVE_CLINICS)).scalars())
    if lacking := clinics - allowed:
        raise EveryClinicNeeded(WRITE, len(lacking), len(clinics))
    return context


# Read by the module checks and the generated references: which routes ask for which permission.
in_every_clinic.permission = WRITE  # type: ignore[attr-defined]  # a function's own attribute has no static type
in_every_clinic.everywhere = True  # type: ignore[attr-defined]  # as above

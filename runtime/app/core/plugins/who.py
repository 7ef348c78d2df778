"""Who may change modules and restart: that concerns every clinic of the tenant, so one clinic's administrator is not enough."""

from typing import Annotated, Final

import sqlalchemy as sa
from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth.dependencies import ClinicContext, get_clinic_context, get_identity
from app.core.auth.errors import PermissionDenied
from app.core.auth.identity import Identity
from app.core.auth.permissions import permissions_for
from app.database import get_db

from .errors import EveryClinicNeeded

WRITE: Final = "admin.modules.write"
_ACTIVE_CLINICS: Final = sa.text("SELECT id FROM clinics WHERE status = 'active'")


async def in_every_clinic(
    request: Request,
    context: Annotated[ClinicContext, Depends(get_clinic_context)],
    identity: Annotated[Identity, Depends(get_identity)],
    db: Annotated[AsyncSession, Depends(get_db)],
) -> Identity:
    """Let in who may change modules in every active clinic, or owns the tenant. Raises PermissionDenied, EveryClinicNeeded."""
    if identity.user.is_owner:
        return identity
    if WRITE not in context.permissions:
        raise PermissionDenied(WRITE, context.role)
    registry = request.app.state.registry
    allowed = {each.clinic.id for each in identity.memberships if WRITE in permissions_for(each.grants, registry)}
    clinics = set((await db.execute(_ACTIVE_CLINICS)).scalars())
    if lacking := clinics - allowed:
        raise EveryClinicNeeded(WRITE, len(lacking), len(clinics))
    return identity


# Read by the module checks and the generated references: which routes ask for which permission.
in_every_clinic.permission = WRITE  # type: ignore[attr-defined]  # a function's own attribute has no static type
in_every_clinic.everywhere = True  # type: ignore[attr-defined]

"""Asking for a clinic's database passwords to be made anew. In the caller's transaction, who holds the tenant's row; the worker acts."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.audit import service as audit
from control_plane.databases.errors import NotRotatable
from control_plane.operations import service as operations
from control_plane.operations.kinds import OperationKind
from control_plane.operations.models import Operation
from control_plane.platform import Platform
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState

AT_REST = frozenset({TenantState.ACTIVE, TenantState.DEGRADED})


class PasswordsOut(BaseModel):
    serial: int
    """How often they were made anew."""
    settled: bool
    """False from when the later ones are let in until the earlier ones are closed: both sign in."""
    since: datetime | None
    """When the last rotation ended; null: they are those the clinic was set up with."""

    @classmethod
    def of(cls, tenant: Tenant) -> Self:
        return cls(serial=tenant.password_serial, settled=tenant.passwords_settled, since=tenant.passwords_since)


async def rotate(session: AsyncSession, platform: Platform, tenant: Tenant, *, actor: Actor) -> Operation:
    """Begin a rotation, or go on with one that was left unfinished. Raises NotRotatable, TenantBusy."""
    if tenant.state not in AT_REST:
        raise NotRotatable(tenant.slug, tenant.state)
    await operations.refuse_busy(session, tenant)
    now = platform.clock.now()
    operation = await operations.start(session, tenant, OperationKind.ROTATE_PASSWORDS, actor=actor, at=now, generation=tenant.generation)
    audit.record(session, actor, "tenant.password_rotation_asked", at=now, tenant_id=tenant.id, operation=str(operation.id))
    return operation

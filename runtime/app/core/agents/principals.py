"""What somebody may do at this moment, read anew for each call: a person who lost a role loses it in the middle of an agent's run too."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from sqlalchemy import Row, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth.models import Membership, Role, User
from app.core.auth.permissions import CORE_PERMISSIONS, Permissions, RoleGrants, permissions_for
from app.core.clinics.models import Clinic
from app.core.plugins.registry import ModuleRegistry

from .context import AgentContext

USE: Final = "agents.use"
"""Connect an assistant, run an agent, and see what became of it."""
_GRANTS: Final = select(Role.based_on, Role.granted, Role.denied)


async def permissions_now(session: AsyncSession, ctx: AgentContext, registry: ModuleRegistry) -> Permissions:
    """The rights of the person behind an agent, or of the role of one that runs alone, within the scopes of its token.

    Nobody's are empty: a person who was disabled or left the clinic, and an agent without a person or a role.
    """
    if ctx.user_id is not None:
        held = await permissions_of_person(session, ctx.user_id, ctx.clinic_id, registry)
    elif ctx.role is not None:
        held = await _permissions_of_role(session, ctx.clinic_id, ctx.role, registry)
    else:
        held = Permissions()
    # Following up on one's own calls takes no scope of its own.
    return held if ctx.scopes is None else within(held, (*ctx.scopes, USE), registry)


async def permissions_of_person(session: AsyncSession, user_id: UUID, clinic_id: UUID, registry: ModuleRegistry) -> Permissions:
    """What a person may do in a clinic now; nothing if they may not sign in, do not work there, or lack its second factor."""
    rows = await session.execute(
        _GRANTS.join(Membership, and_(Membership.clinic_id == Role.clinic_id, Membership.role == Role.name))
        .join(User, and_(User.id == Membership.user_id, User.status == "active"))
        .join(Clinic, and_(Clinic.id == Membership.clinic_id, Clinic.status == "active"))
        .where(Membership.user_id == user_id, Membership.clinic_id == clinic_id, Membership.status == "active")
        .where(or_(Clinic.second_factor_required.is_(False), User.second_factor_since.is_not(None)))
    )
    return _granted(rows.one_or_none(), registry)


async def _permissions_of_role(session: AsyncSession, clinic_id: UUID, role: str, registry: ModuleRegistry) -> Permissions:
    rows = await session.execute(_GRANTS.where(Role.clinic_id == clinic_id, Role.name == role))
    return _granted(rows.one_or_none(), registry)


def _granted(row: "Row[str | None, list[str], list[str]] | None", registry: ModuleRegistry) -> Permissions:
    if row is None:
        return Permissions()
    return permissions_for(RoleGrants(row.based_on, tuple(row.granted), tuple(row.denied)), registry)


def within(held: Permissions, scopes: Iterable[str], registry: ModuleRegistry) -> Permissions:
    """The permissions among those held that a scope covers, spelled out: no wildcard survives, so none covers more tomorrow."""
    wanted = Permissions(scopes)
    known = {*CORE_PERMISSIONS, *registry.permissions()}
    return Permissions(name for name in known if name in held and name in wanted)

"""Roles of a clinic: standard ones can be narrowed and widened, except admin; own ones come and go."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth.models import Membership, Role
from app.core.auth.permissions import CORE_PERMISSIONS, ROLES, ModuleGrants, Permissions, RoleGrants, permissions_for

from .errors import AdminIsFixed, BeyondYourOwn, PermissionUnknown, RoleExists, RoleInUse, RoleIsStandard, RoleUnknown
from .schemas import RoleChange, RoleIn, grants_of


async def list_roles(session: AsyncSession, clinic_id: UUID) -> list[tuple[Role, int]]:
    """Every role of the clinic with how many people have it; the standard ones first."""
    people = (
        select(Membership.role, func.count().label("people")).where(Membership.clinic_id == clinic_id).group_by(Membership.role).subquery()
    )
    rows = await session.execute(
        select(Role, func.coalesce(people.c.people, 0))
        .outerjoin(people, people.c.role == Role.name)
        .where(Role.clinic_id == clinic_id)
        .order_by(Role.name)
    )
    order = {name: number for number, name in enumerate(ROLES)}
    return sorted(((role, count) for role, count in rows), key=lambda pair: (order.get(pair[0].name, len(order)), pair[0].name))


async def find_role(session: AsyncSession, clinic_id: UUID, name: str, *, lock: bool = False) -> Role:
    """Raises RoleUnknown."""
    query = select(Role).where(Role.clinic_id == clinic_id, Role.name == name)
    role = await session.scalar(query.with_for_update() if lock else query)
    if role is None:
        raise RoleUnknown(name)
    return role


async def create_role(session: AsyncSession, clinic_id: UUID, given: RoleIn, *, own: Permissions, modules: ModuleGrants) -> Role:
    """Raises RoleExists, RoleUnknown for what it builds on, PermissionUnknown, BeyondYourOwn."""
    if given.based_on is not None and given.based_on not in ROLES:
        raise RoleUnknown(given.based_on)
    if given.name in ROLES or await session.scalar(select(Role.id).where(Role.clinic_id == clinic_id, Role.name == given.name)):
        raise RoleExists(given.name)
    _check_patterns([*given.granted, *given.denied], modules)
    role = Role(
        clinic_id=clinic_id,
        name=given.name,
        title=given.title,
        based_on=given.based_on,
        granted=_tidy(given.granted),
        denied=_tidy(given.denied),
    )
    refuse_beyond(grants_of(role), own=own, modules=modules)
    session.add(role)
    await session.flush()
    return role


async def change_role(
    session: AsyncSession, clinic_id: UUID, name: str, change: RoleChange, *, own: Permissions, modules: ModuleGrants
) -> Role:
    """Raises RoleUnknown, AdminIsFixed, PermissionUnknown, BeyondYourOwn."""
    role = await find_role(session, clinic_id, name, lock=True)
    if role.name == "admin":
        raise AdminIsFixed
    before = permissions_for(grants_of(role), modules)
    # Patterns of a module that is gone may stay; only what is added has to exist.
    added = {*(change.granted or ()), *(change.denied or ())} - {*role.granted, *role.denied}
    _check_patterns(added, modules)
    if change.title is not None:
        role.title = change.title
    if change.granted is not None:
        role.granted = _tidy(change.granted)
    if change.denied is not None:
        role.denied = _tidy(change.denied)
    refuse_beyond(grants_of(role), own=own, modules=modules, already=before)
    await session.flush()
    return role


async def remove_role(session: AsyncSession, clinic_id: UUID, name: str) -> None:
    """Raises RoleUnknown, RoleIsStandard, RoleInUse."""
    role = await find_role(session, clinic_id, name, lock=True)
    if role.name in ROLES:
        raise RoleIsStandard(name)
    people = await session.scalar(select(func.count()).where(Membership.clinic_id == clinic_id, Membership.role == name)) or 0
    if people:
        raise RoleInUse(name, people)
    await session.delete(role)
    await session.flush()


def refuse_beyond(grants: RoleGrants, *, own: Permissions, modules: ModuleGrants, already: Permissions | None = None) -> None:
    """Raises BeyondYourOwn if the role may do something whoever gives it may not; what it could do `already` does not count."""
    given = permissions_for(grants, modules)
    beyond = {name for name in given if name not in own and (already is None or name not in already)}
    if beyond:
        raise BeyondYourOwn(beyond)


def known_permissions(modules: ModuleGrants) -> list[str]:
    return sorted({*CORE_PERMISSIONS, *modules.permissions()})


def _check_patterns(patterns: Iterable[str], modules: ModuleGrants) -> None:
    known = known_permissions(modules)
    if unknown := {pattern for pattern in patterns if not any(name in Permissions((pattern,)) for name in known)}:
        raise PermissionUnknown(unknown)


def _tidy(patterns: Iterable[str]) -> list[str]:
    return sorted(set(patterns))

"""Reading the people of a clinic: list, one, and who may act on whose account."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth.identity import Identity
from app.core.auth.models import AccessEntry, AccountLink, Membership, Role, User
from app.core.auth.permissions import ModuleGrants, permissions_for
from app.core.clinics.models import Clinic
from app.core.roles.schemas import grants_of
from app.core.roles.service import refuse_beyond
from app.database import unit_of_work

from .errors import AccountShared, OwnerProtected, PersonUnknown
from .schemas import LinkState, PersonOut


@dataclass(frozen=True, slots=True)
class Member:
    """An account and its place in one clinic."""

    user: User
    membership: Membership
    has_password: bool


async def list_people(
    session: AsyncSession, clinic_id: UUID, *, search: str | None, status: str | None, page: int, page_size: int
) -> tuple[list[PersonOut], int]:
    query = _people(clinic_id)
    if search:
        pattern = f"%{search.replace(chr(92), chr(92) * 2).replace('%', chr(92) + '%').replace('_', chr(92) + '_')}%"
        query = query.where(or_(User.email.ilike(pattern), User.full_name.ilike(pattern)))
    if status:
        query = query.where(Membership.status == status)
    total = await session.scalar(select(func.count()).select_from(query.subquery())) or 0
    rows = await session.execute(query.order_by(User.email).limit(page_size).offset((page - 1) * page_size))
    return [_person(row) for row in rows], total


async def get_person(session: AsyncSession, clinic_id: UUID, user_id: UUID) -> PersonOut:
    """Raises PersonUnknown."""
    row = (await session.execute(_people(clinic_id).where(User.id == user_id))).one_or_none()
    if row is None:
        raise PersonUnknown
    return _person(row)


async def find(session: AsyncSession, clinic_id: UUID, user_id: UUID, *, lock: bool = False) -> Member:
    """Raises PersonUnknown."""
    query = (
        select(User, Membership, User.password_hash.is_not(None))
        .join(Membership, Membership.user_id == User.id)
        .where(User.id == user_id, Membership.clinic_id == clinic_id)
    )
    row = (await session.execute(query.with_for_update(of=Membership) if lock else query)).one_or_none()
    if row is None:
        raise PersonUnknown
    return Member(*row)


async def refuse_unless_over(identity: Identity, user: User, modules: ModuleGrants) -> None:
    """Let only those act on an account who could do everything it can, in each of its clinics, and manage people there.

    Raises OwnerProtected, AccountShared, BeyondYourOwn.
    """
    if user.id == identity.user.id:
        return
    if user.is_owner:
        raise OwnerProtected
    own = {each.clinic.id: permissions_for(each.grants, modules) for each in identity.memberships}
    for clinic_id, role in await active_roles(user.id):
        mine = own.get(clinic_id)
        if mine is None or "admin.users.write" not in mine:
            raise AccountShared
        refuse_beyond(grants_of(role), own=mine, modules=modules)


async def active_roles(user_id: UUID) -> list[tuple[UUID, Role]]:
    """The clinics somebody works in, and as what; read before a clinic is chosen, since a clinic sees its own people only."""
    query = (
        select(Membership.clinic_id, Role)
        .join(Role, (Role.clinic_id == Membership.clinic_id) & (Role.name == Membership.role))
        .join(Clinic, (Clinic.id == Membership.clinic_id) & (Clinic.status == "active"))
        .where(Membership.user_id == user_id, Membership.status == "active")
    )
    async with unit_of_work() as reading:
        return [(clinic_id, role) for clinic_id, role in await reading.execute(query)]


def _people(clinic_id: UUID) -> Select[Any]:
    last_sign_in = (
        select(func.max(AccessEntry.created_at))
        .where(AccessEntry.user_id == User.id, AccessEntry.event == "signed_in")
        .correlate(User)
        .scalar_subquery()
    )
    newest = (
        select(AccountLink)
        .where(AccountLink.user_id == User.id)
        .order_by(AccountLink.created_at.desc())
        .limit(1)
        .correlate(User)
        .lateral("newest_link")
    )
    return (
        select(
            User.id,
            User.email,
            User.full_name,
            Membership.role,
            Membership.status,
            User.is_owner,
            User.password_hash.is_not(None).label("has_password"),
            User.second_factor_since.is_not(None).label("has_second_factor"),
            last_sign_in.label("last_sign_in"),
            newest.c.purpose,
            newest.c.expires_at,
            newest.c.used_at,
            newest.c.sent_at,
            newest.c.send_error,
        )
        .join(Membership, Membership.user_id == User.id)
        .outerjoin(newest, newest.c.user_id == User.id)
        .where(Membership.clinic_id == clinic_id)
    )


def _person(row: Any) -> PersonOut:
    expires: datetime | None = row.expires_at
    link = None
    if expires is not None:
        link = LinkState(purpose=row.purpose, expires_at=expires, used_at=row.used_at, sent_at=row.sent_at, send_error=row.send_error)
    return PersonOut(
        id=row.id,
        email=row.email,
        full_name=row.full_name,
        role=row.role,
        status=row.status,
        is_owner=row.is_owner,
        has_password=row.has_password,
        has_second_factor=row.has_second_factor,
        last_sign_in=row.last_sign_in,
        link=link,
    )

"""Managing people: invite, change, disable, and help those who lost a password or a phone.

Two limits hold everywhere. Nobody gives a role that may do more than they may, and nobody opens the account of somebody who may. A clinic
keeps an administrator who can sign in.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import links, second_factor, sessions, trail
from app.core.auth.identity import Identity
from app.core.auth.links import MadeLink
from app.core.auth.models import Membership, Role, User
from app.core.auth.permissions import ModuleGrants, Permissions
from app.core.auth.trail import Origin
from app.core.roles.schemas import grants_of
from app.core.roles.service import find_role, refuse_beyond

from . import people
from .errors import AlreadyHere, LastAdmin, NotYourself, OwnerProtected
from .people import Member
from .schemas import Invitation, PersonChange

ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who manages people, in which clinic, and what they may do there."""

    identity: Identity
    clinic_id: UUID
    permissions: Permissions
    modules: ModuleGrants
    origin: Origin

    @property
    def user_id(self) -> UUID:
        return self.identity.user.id


async def invite(session: AsyncSession, actor: Actor, given: Invitation) -> tuple[UUID, bool]:
    """Add somebody to the clinic; their id, and whether they still need a link to set a password.

    Whoever has an account in another clinic of the tenant keeps it. Raises RoleUnknown, BeyondYourOwn, AlreadyHere.
    """
    await _role_to_give(session, actor, given.role)
    user = (
        await session.execute(select(User.id, User.password_hash.is_not(None).label("known")).where(User.email == given.email))
    ).one_or_none()
    if user is None:
        user_id = (await session.execute(insert(User).values(email=given.email, full_name=given.full_name).returning(User.id))).scalar_one()
    else:
        user_id = user.id
        query = select(Membership.id).where(Membership.user_id == user_id, Membership.clinic_id == actor.clinic_id)
        if await session.scalar(query) is not None:
            raise AlreadyHere
    await session.execute(insert(Membership).values(user_id=user_id, clinic_id=actor.clinic_id, role=given.role))
    await _note(session, actor, "person_invited", user_id, role=given.role)
    return user_id, user is None or not user.known


async def change(session: AsyncSession, actor: Actor, user_id: UUID, given: PersonChange) -> None:
    """Give another role, disable or enable, correct the name.

    Raises PersonUnknown, OwnerProtected, NotYourself, LastAdmin, RoleUnknown, BeyondYourOwn, AccountShared.
    """
    # Whoever takes an administrator away waits here for whoever else does.
    await find_role(session, actor.clinic_id, ADMIN, lock=True)
    member = await people.find(session, actor.clinic_id, user_id, lock=True)
    before = member.membership.role, member.membership.status
    after = given.role or before[0], given.status or before[1]
    if after != before:
        await _refuse_change(session, actor, member, after)
        await session.execute(update(Membership).where(Membership.id == member.membership.id).values(role=after[0], status=after[1]))
        if after[1] != before[1]:
            await _note(session, actor, "person_disabled" if after[1] == "disabled" else "person_enabled", user_id)
            if after[1] == "disabled" and not [clinic for clinic, _ in await people.active_roles(user_id) if clinic != actor.clinic_id]:
                await sessions.end_all(session, user_id)
        if after[0] != before[0]:
            await _note(session, actor, "person_changed", user_id, role=after[0], before=before[0])
    if given.full_name is not None and given.full_name != member.user.full_name:
        await people.refuse_unless_over(actor.identity, member.user, actor.modules)
        await session.execute(update(User).where(User.id == user_id).values(full_name=given.full_name))
        await _note(session, actor, "person_changed", user_id, field="full_name")


async def make_link(session: AsyncSession, actor: Actor, user_id: UUID, *, handed: bool) -> tuple[Member, MadeLink]:
    """A link to set a password: an invitation for who has none yet, a reset for the others. Earlier ones stop working.

    `handed`: it is given to the administrator, who could use it, so that more is asked than for one that is mailed.
    Raises PersonUnknown, OwnerProtected, AccountShared, BeyondYourOwn.
    """
    member = await people.find(session, actor.clinic_id, user_id)
    if handed:
        if user_id == actor.user_id:
            # An unattended session must not become a password.
            raise NotYourself
        await people.refuse_unless_over(actor.identity, member.user, actor.modules)
    link = await links.make(session, user_id, "password_reset" if member.has_password else "invitation", created_by=actor.user_id)
    if member.has_password:
        await _note(session, actor, "password_reset_asked", user_id)
    return member, link


async def reset_second_factor(session: AsyncSession, actor: Actor, user_id: UUID) -> None:
    """For somebody who lost phone and recovery codes. Raises PersonUnknown, NotYourself, OwnerProtected, AccountShared, BeyondYourOwn."""
    member = await people.find(session, actor.clinic_id, user_id)
    if user_id == actor.user_id:
        raise NotYourself
    await people.refuse_unless_over(actor.identity, member.user, actor.modules)
    await second_factor.reset(session, user_id, origin=actor.origin, actor_id=actor.user_id, clinic_id=actor.clinic_id)
    await sessions.end_all(session, user_id)


async def sign_out(session: AsyncSession, actor: Actor, user_id: UUID) -> None:
    """End every session of somebody. Raises PersonUnknown, OwnerProtected, AccountShared, BeyondYourOwn."""
    member = await people.find(session, actor.clinic_id, user_id)
    await people.refuse_unless_over(actor.identity, member.user, actor.modules)
    await sessions.end_all(session, user_id, but=actor.identity.session_id if user_id == actor.user_id else None)
    await _note(session, actor, "session_revoked", user_id, session_id="all")


async def _refuse_change(session: AsyncSession, actor: Actor, member: Member, after: tuple[str, str]) -> None:
    role, status = after
    itself = member.user.id == actor.user_id
    if member.user.is_owner and not itself:
        raise OwnerProtected
    if itself and status == "disabled":
        raise NotYourself
    # Neither may a role be given that is beyond one's own, nor somebody be moved who stands above.
    present = await find_role(session, actor.clinic_id, member.membership.role)
    refuse_beyond(grants_of(present), own=actor.permissions, modules=actor.modules)
    await _role_to_give(session, actor, role)
    was_admin = member.membership.role == ADMIN and member.membership.status == "active"
    if was_admin and (role, status) != (ADMIN, "active") and not await _other_admin(session, actor.clinic_id, member.user.id):
        raise LastAdmin


async def _role_to_give(session: AsyncSession, actor: Actor, name: str) -> Role:
    role = await find_role(session, actor.clinic_id, name)
    refuse_beyond(grants_of(role), own=actor.permissions, modules=actor.modules)
    return role


async def _other_admin(session: AsyncSession, clinic_id: UUID, but: UUID) -> bool:
    query = (
        select(func.count())
        .select_from(Membership)
        .join(User, User.id == Membership.user_id)
        .where(
            Membership.clinic_id == clinic_id,
            Membership.role == ADMIN,
            Membership.status == "active",
            Membership.user_id != but,
            User.status == "active",
            User.password_hash.is_not(None),
        )
    )
    return bool(await session.scalar(query))


async def _note(session: AsyncSession, actor: Actor, event: str, user_id: UUID, **details: object) -> None:
    await trail.record(session, actor.origin, event, user_id=user_id, clinic_id=actor.clinic_id, actor_id=actor.user_id, **details)

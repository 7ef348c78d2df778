"""Who is asking: one statement that reads the person, the session's state and every clinic they work in."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, and_, bindparam, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clinics.models import Clinic

from .errors import ClinicNotChosen, NoMembership, NotAMember, SecondFactorRequired, SessionEnded
from .models import Membership, RefreshToken, Role, User
from .permissions import RoleGrants
from .tokens import Claims


@dataclass(frozen=True, slots=True)
class CurrentUser:
    id: UUID
    email: str
    full_name: str
    is_owner: bool
    has_second_factor: bool = False


@dataclass(frozen=True, slots=True)
class CurrentClinic:
    id: UUID
    name: str
    country: str
    territory: str | None
    timezone: str
    currency: str
    locale: str
    legal_form: str | None
    tax_id: str | None
    second_factor_required: bool = False


@dataclass(frozen=True, slots=True)
class ClinicRole:
    """One membership: the clinic, the role in it and what the role's row grants."""

    clinic: CurrentClinic
    role: str
    grants: RoleGrants


@dataclass(frozen=True, slots=True)
class Identity:
    """A signed-in person with their memberships, by clinic name."""

    user: CurrentUser
    session_id: UUID
    memberships: tuple[ClinicRole, ...]
    token_clinic_id: UUID | None

    def membership(self, asked: UUID | None) -> ClinicRole:
        """The clinic of a request: the one asked for, else the token's, else the only one.

        Raises what `choose` does, and SecondFactorRequired where the clinic asks for one. Whoever has one showed it: signing in asks for
        it, and setting it up ends every other session.
        """
        chosen = self.choose(asked)
        if chosen.clinic.second_factor_required and not self.user.has_second_factor:
            raise SecondFactorRequired
        return chosen

    def choose(self, asked: UUID | None) -> ClinicRole:
        """The clinic a person means, whether they may work there at the moment or not.

        Raises NotAMember, NoMembership, and ClinicNotChosen, which lists them.
        """
        wanted = asked or self.token_clinic_id
        if wanted is not None:
            found = next((each for each in self.memberships if each.clinic.id == wanted), None)
            if found is None:
                raise NotAMember
            return found
        if not self.memberships:
            raise NoMembership
        if len(self.memberships) > 1:
            raise ClinicNotChosen({"id": str(each.clinic.id), "name": each.clinic.name} for each in self.memberships)
        return self.memberships[0]


CLINIC_COLUMNS = (
    Clinic.id,
    Clinic.name,
    Clinic.country,
    Clinic.territory,
    Clinic.timezone,
    Clinic.currency,
    Clinic.locale,
    Clinic.legal_form,
    Clinic.tax_id,
    Clinic.second_factor_required,
)


def _who() -> Select[Any]:
    live = exists().where(
        RefreshToken.family_id == bindparam("session_id"), RefreshToken.revoked_at.is_(None), RefreshToken.expires_at > func.now()
    )
    memberships = (
        select(Membership.user_id, Membership.role, Role.based_on, Role.granted, Role.denied, *CLINIC_COLUMNS)
        .join(Clinic, and_(Clinic.id == Membership.clinic_id, Clinic.status == "active"))
        .join(Role, and_(Role.clinic_id == Membership.clinic_id, Role.name == Membership.role))
        .where(Membership.status == "active")
        .subquery()
    )
    return (
        select(User.id, User.email, User.full_name, User.is_owner, User.second_factor_since.is_not(None), memberships)
        .outerjoin(memberships, memberships.c.user_id == User.id)
        .where(User.id == bindparam("user_id"), User.status == "active", live)
        .order_by(memberships.c.name, memberships.c.id)
    )


_WHO: Final = _who()
"""Built once: composing it takes longer than running it, and every request runs it."""


_OF_USER: Final = len(fields(CurrentUser))


async def identify(session: AsyncSession, claims: Claims) -> Identity:
    """The person a token of ours names. Raises SessionEnded if they were disabled or the session was signed out."""
    rows = (await session.execute(_WHO, {"user_id": claims.user_id, "session_id": claims.session_id})).all()
    if not rows:
        raise SessionEnded
    return Identity(
        user=CurrentUser(*rows[0][:_OF_USER]),
        session_id=claims.session_id,
        memberships=tuple(_membership(row[_OF_USER:]) for row in rows if row[_OF_USER] is not None),
        token_clinic_id=claims.clinic_id,
    )


def _membership(columns: Sequence[Any]) -> ClinicRole:
    _, role, based_on, granted, denied, *clinic = columns
    return ClinicRole(CurrentClinic(*clinic), role, RoleGrants(based_on, tuple(granted), tuple(denied)))

"""Links that set a password, once: an administrator's invitation, or a reset. The newest of a person is the only one that works."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.mail.texts import Purpose

from . import service, sessions
from .errors import LinkRefused
from .models import AccountLink, User
from .state import AuthState
from .trail import Origin

LIFETIME: Final[dict[Purpose, timedelta]] = {"invitation": timedelta(days=7), "password_reset": timedelta(hours=1)}
PAGE: Final = "/password"


@dataclass(frozen=True, slots=True)
class MadeLink:
    """A link as it is handed over; the token is not stored and cannot be read again."""

    id: UUID
    token: str
    purpose: Purpose
    expires_at: datetime

    def url(self, base: str) -> str:
        return f"{base.rstrip('/')}{PAGE}?token={self.token}"


@dataclass(frozen=True, slots=True)
class OpenedLink:
    """Whom a link that works is for."""

    id: UUID
    user_id: UUID
    email: str
    purpose: Purpose
    has_second_factor: bool


async def make(session: AsyncSession, user_id: UUID, purpose: Purpose, *, created_by: UUID | None = None) -> MadeLink:
    """A new link; earlier ones of the person stop working."""
    await session.execute(delete(AccountLink).where(AccountLink.user_id == user_id, AccountLink.used_at.is_(None)))
    token = secrets.token_urlsafe(32)
    row = await session.execute(
        insert(AccountLink)
        .values(
            user_id=user_id,
            purpose=purpose,
            token_hash=_digest(token),
            expires_at=func.now() + LIFETIME[purpose],
            created_by=created_by,
        )
        .returning(AccountLink.id, AccountLink.expires_at)
    )
    made = row.one()
    return MadeLink(made.id, token, purpose, made.expires_at)


async def open_link(session: AsyncSession, token: str) -> OpenedLink:
    """What a link opens; looking changes nothing, since mail scanners follow links too. Raises LinkRefused."""
    query = (
        select(AccountLink.id, User.id, User.email, AccountLink.purpose, User.second_factor_since.is_not(None))
        .join(User, User.id == AccountLink.user_id)
        .where(
            AccountLink.token_hash == _digest(token),
            AccountLink.used_at.is_(None),
            AccountLink.expires_at > func.now(),
            User.status == "active",
        )
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        raise LinkRefused
    link_id, user_id, email, purpose, has_second_factor = row
    return OpenedLink(link_id, user_id, email, cast(Purpose, purpose), has_second_factor)


async def use(session: AsyncSession, auth: AuthState, link: OpenedLink, password: str, *, origin: Origin) -> None:
    """Set the password and end every session of the person; of two at once one wins. Raises PasswordTooWeak, LinkRefused."""
    used = await session.execute(
        update(AccountLink)
        .where(AccountLink.id == link.id, AccountLink.used_at.is_(None))
        .values(used_at=func.now())
        .returning(AccountLink.id)
        .execution_options(synchronize_session=False)
    )
    if used.one_or_none() is None:
        raise LinkRefused
    await service.set_password(session, auth, link.user_id, email=link.email, password=password, origin=origin)
    await sessions.end_all(session, link.user_id)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

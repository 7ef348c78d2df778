"""Sessions: a family of refresh tokens, each used once. Opening, renewing, listing and ending them."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, ColumnElement, String, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.core.agents.tokens import revoke_all
from app.database import unit_of_work

from . import trail
from .errors import RefreshRefused, RefreshReused, SessionUnknown
from .models import RefreshToken, User
from .state import AuthState
from .tokens import ACCESS_LIFETIME, PAGE_LIFETIME, Claims
from .trail import Origin

IDLE_LIFETIME: Final = timedelta(days=7)
"""A session nobody renews ends after this."""
TOTAL_LIFETIME: Final = timedelta(days=30)
"""However often it is renewed, a session ends after this."""


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session and the tokens for it; the refresh token is not stored and cannot be read again."""

    claims: Claims
    refresh_token: str


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session somebody could still use, as they would recognise it."""

    id: UUID
    began: datetime
    renewed: datetime
    expires: datetime | None
    peer: str | None
    agent: str | None


async def open_session(
    session: AsyncSession, user_id: UUID, origin: Origin, clinic_id: UUID | None = None, *, for_pages: bool = False
) -> OpenSession:
    """Open a session for somebody whose identity is proven; their expired sessions are cleared away.

    One for pages lasts as long as their cookie, which nothing renews.
    """
    await session.execute(delete(RefreshToken).where(RefreshToken.user_id == user_id, RefreshToken.expires_at < func.now()))
    claims = Claims(user_id, uuid4(), clinic_id)
    opened = OpenSession(claims, await _add_link(session, claims, origin, PAGE_LIFETIME if for_pages else IDLE_LIFETIME))
    await trail.record(session, origin, "signed_in", user_id=user_id, session_id=str(claims.session_id))
    return opened


async def renew(session: AsyncSession, refresh_token: str, origin: Origin, clinic_id: UUID | None = None) -> OpenSession:
    """Replace a refresh token by the next one of its session.

    Raises RefreshRefused for one that is unknown, expired or of an ended session. One that was used before has been copied: the whole
    session is ended, in a transaction of its own since this one is rolled back, and RefreshReused raised.
    """
    digest = _digest(refresh_token)
    used = (
        await session.execute(
            update(RefreshToken)
            .where(
                RefreshToken.token_hash == digest,
                RefreshToken.used_at.is_(None),
                RefreshToken.revoked_at.is_(None),
                RefreshToken.expires_at > func.now(),
                RefreshToken.user_id.in_(select(User.id).where(User.status == "active")),
            )
            .values(used_at=func.now())
            .returning(RefreshToken.user_id, RefreshToken.family_id)
            .execution_options(synchronize_session=False)
        )
    ).one_or_none()
    if used is not None:
        claims = Claims(used.user_id, used.family_id, clinic_id)
        return OpenSession(claims, await _add_link(session, claims, origin, IDLE_LIFETIME))
    copied = (
        await session.execute(
            select(RefreshToken.user_id, RefreshToken.family_id).where(RefreshToken.token_hash == digest, RefreshToken.used_at.is_not(None))
        )
    ).one_or_none()
    if copied is None:
        raise RefreshRefused
    async with unit_of_work() as ending:
        await end_session(ending, copied.family_id)
        await trail.record(ending, origin, "refresh_reused", user_id=copied.user_id, session_id=str(copied.family_id))
    raise RefreshReused


async def end_session(session: AsyncSession, family_id: UUID) -> None:
    """End a session everywhere: its refresh tokens and, at once, every access token issued for it."""
    await _revoke(session, RefreshToken.family_id == family_id)


async def end_all(session: AsyncSession, user_id: UUID, *, but: UUID | None = None) -> None:
    """End every session of a person, or every other one, and the access tokens they gave to assistants, in whatever clinic."""
    await revoke_all(session, user_id)
    await _revoke(session, RefreshToken.user_id == user_id, *([RefreshToken.family_id != but] if but is not None else []))


async def end_own(session: AsyncSession, user_id: UUID, family_id: UUID) -> None:
    """End one session of this person. Raises SessionUnknown."""
    if not await _revoke(session, RefreshToken.user_id == user_id, RefreshToken.family_id == family_id):
        raise SessionUnknown


async def live_sessions(session: AsyncSession, user_id: UUID) -> list[LiveSession]:
    """The newest first."""
    rows = await session.execute(
        select(
            RefreshToken.family_id,
            func.min(RefreshToken.created_at),
            func.max(RefreshToken.created_at).label("renewed"),
            func.max(RefreshToken.expires_at),
            _last(RefreshToken.peer),
            _last(RefreshToken.agent),
        )
        .where(RefreshToken.user_id == user_id, RefreshToken.revoked_at.is_(None), RefreshToken.expires_at > func.now())
        .group_by(RefreshToken.family_id)
        .order_by(func.max(RefreshToken.created_at).desc(), RefreshToken.family_id)
    )
    return [LiveSession(*row) for row in rows]


def access_token(auth: AuthState, opened: OpenSession) -> tuple[str, int]:
    """An access token for a session and the seconds it lasts."""
    return auth.tokens.issue(opened.claims, "access"), int(ACCESS_LIFETIME.total_seconds())


async def _revoke(session: AsyncSession, *which: ColumnElement[bool]) -> bool:
    ended = await session.execute(
        update(RefreshToken)
        .where(*which, RefreshToken.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(RefreshToken.id)
        .execution_options(synchronize_session=False)
    )
    return bool(ended.all())


def _last(column: InstrumentedAttribute[str | None]) -> ColumnElement[str | None]:
    return func.array_agg(aggregate_order_by(column, RefreshToken.created_at.desc()), type_=ARRAY(String))[1]


async def _add_link(session: AsyncSession, claims: Claims, origin: Origin, idle: timedelta) -> str:
    token = secrets.token_urlsafe(32)
    began = select(func.coalesce(func.min(RefreshToken.created_at), func.now())).where(RefreshToken.family_id == claims.session_id)
    await session.execute(
        insert(RefreshToken).values(
            user_id=claims.user_id,
            family_id=claims.session_id,
            token_hash=_digest(token),
            expires_at=func.least(func.now() + idle, began.scalar_subquery() + TOTAL_LIFETIME),
            peer=origin.peer[:64],
            agent=origin.agent,
        )
    )
    return token


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

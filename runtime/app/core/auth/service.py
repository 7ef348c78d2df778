"""Signing in, renewing a session and ending it. A session is a family of refresh tokens, each used once."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import unit_of_work

from .errors import RefreshRefused, RefreshReused, WrongCredentials
from .models import RefreshToken, User
from .state import AuthState
from .tokens import ACCESS_LIFETIME, Claims

IDLE_LIFETIME: Final = timedelta(days=7)
"""A session nobody renews ends after this."""
TOTAL_LIFETIME: Final = timedelta(days=30)
"""However often it is renewed, a session ends after this."""


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session and the tokens for it; the refresh token is not stored and cannot be read again."""

    claims: Claims
    refresh_token: str


async def sign_in(
    session: AsyncSession, auth: AuthState, *, email: str, password: str, peer: str, clinic_id: UUID | None = None
) -> OpenSession:
    """Open a session for who has this password. Raises TooManyAttempts, WrongCredentials."""
    account = email.strip().lower()
    auth.throttle.check(account, peer)
    # A transaction of its own: computing a hash takes long, and no connection should wait for it.
    async with unit_of_work() as reading:
        found = (
            await reading.execute(select(User.id, User.password_hash).where(User.email == account, User.status == "active"))
        ).one_or_none()
    valid, renewed = await auth.passwords.verify(password, found.password_hash if found else None)
    if found is None or not valid:
        auth.throttle.failed(account, peer)
        raise WrongCredentials
    auth.throttle.succeeded(account, peer)
    if renewed is not None:
        await session.execute(update(User).where(User.id == found.id).values(password_hash=renewed))
    return await open_session(session, found.id, clinic_id)


async def open_session(session: AsyncSession, user_id: UUID, clinic_id: UUID | None = None) -> OpenSession:
    """Open a session for somebody whose identity is proven; their expired sessions are cleared away."""
    await session.execute(delete(RefreshToken).where(RefreshToken.user_id == user_id, RefreshToken.expires_at < func.now()))
    claims = Claims(user_id, uuid4(), clinic_id)
    return OpenSession(claims, await _add_link(session, claims))


async def renew(session: AsyncSession, refresh_token: str, clinic_id: UUID | None = None) -> OpenSession:
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
        return OpenSession(claims, await _add_link(session, claims))
    family = await session.scalar(
        select(RefreshToken.family_id).where(RefreshToken.token_hash == digest, RefreshToken.used_at.is_not(None))
    )
    if family is None:
        raise RefreshRefused
    async with unit_of_work() as ending:
        await end_session(ending, family)
    raise RefreshReused


async def end_session(session: AsyncSession, family_id: UUID) -> None:
    """End a session everywhere: its refresh tokens and, at once, every access token issued for it."""
    await session.execute(
        update(RefreshToken)
        .where(RefreshToken.family_id == family_id, RefreshToken.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .execution_options(synchronize_session=False)
    )


def access_token(auth: AuthState, opened: OpenSession) -> tuple[str, int]:
    """An access token for a session and the seconds it lasts."""
    return auth.tokens.issue(opened.claims, "access"), int(ACCESS_LIFETIME.total_seconds())


async def _add_link(session: AsyncSession, claims: Claims) -> str:
    token = secrets.token_urlsafe(32)
    began = select(func.coalesce(func.min(RefreshToken.created_at), func.now())).where(RefreshToken.family_id == claims.session_id)
    await session.execute(
        insert(RefreshToken).values(
            user_id=claims.user_id,
            family_id=claims.session_id,
            token_hash=_digest(token),
            expires_at=func.least(func.now() + IDLE_LIFETIME, began.scalar_subquery() + TOTAL_LIFETIME),
        )
    )
    return token


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

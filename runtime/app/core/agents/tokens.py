"""Personal access tokens: what a person gives an assistant instead of their own session.

One belongs to one person in one clinic, ends by itself, can be revoked, and covers no more than its scopes and its person's rights at the
moment of each call. It opens `/api/v1/mcp` and nothing else; above all it cannot approve what an assistant asks for.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth.models import User
from app.core.auth.permissions import Permissions
from app.core.plugins.registry import ModuleRegistry
from app.database import CLINIC, set_clinic

from .errors import TokenNotFound, TokenRefused, TokenScopeUnknown, TooManyTokens
from .models import PersonalAccessToken
from .principals import within

PREFIX: Final = "dpat_"
"""Tells a token from a session's, and lets a scanner of leaked secrets find it."""
MOST: Final = 20
"""Usable tokens of one person in one clinic."""
_STAMP_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom a token stands for."""

    token_id: UUID
    user_id: UUID
    clinic_id: UUID
    scopes: tuple[str, ...]


async def make(
    session: AsyncSession,
    clinic_id: UUID,
    user_id: UUID,
    *,
    name: str,
    scopes: Sequence[str],
    days: int,
    held: Permissions,
    registry: ModuleRegistry,
) -> tuple[PersonalAccessToken, str]:
    """A token and its text, which is not stored and cannot be read again. Raises TokenScopeUnknown, TooManyTokens."""
    empty = [scope for scope in scopes if not within(held, (scope,), registry)]
    if empty:
        raise TokenScopeUnknown(empty)
    # One after the other, so that the limit holds.
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"tokens:{clinic_id}:{user_id}", 0))))
    if len(await listed(session, clinic_id, user_id=user_id)) >= MOST:
        raise TooManyTokens(MOST)
    text = PREFIX + secrets.token_urlsafe(32)
    row = PersonalAccessToken(
        clinic_id=clinic_id,
        user_id=user_id,
        name=name,
        token_hash=_digest(text),
        scopes=sorted(set(scopes)),
        expires_at=await session.scalar(select(func.now() + timedelta(days=days))),
    )
    session.add(row)
    await session.flush()
    await session.refresh(row)
    return row, text


async def listed(session: AsyncSession, clinic_id: UUID, *, user_id: UUID | None) -> Sequence[PersonalAccessToken]:
    """The usable tokens in a clinic, newest first: one person's, or everybody's for None."""
    query = select(PersonalAccessToken).where(
        PersonalAccessToken.clinic_id == clinic_id,
        PersonalAccessToken.revoked_at.is_(None),
        PersonalAccessToken.expires_at > func.now(),
    )
    if user_id is not None:
        query = query.where(PersonalAccessToken.user_id == user_id)
    return (await session.scalars(query.order_by(PersonalAccessToken.created_at.desc(), PersonalAccessToken.id))).all()


async def revoke(session: AsyncSession, clinic_id: UUID, token_id: UUID, *, user_id: UUID | None) -> None:
    """From the next call on it is refused. `user_id` limits it to that person's own. Raises TokenNotFound."""
    statement = (
        update(PersonalAccessToken)
        .where(PersonalAccessToken.clinic_id == clinic_id, PersonalAccessToken.id == token_id, PersonalAccessToken.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(PersonalAccessToken.id)
        .execution_options(synchronize_session=False)
    )
    if user_id is not None:
        statement = statement.where(PersonalAccessToken.user_id == user_id)
    if await session.scalar(statement) is None:
        raise TokenNotFound(token_id)


async def revoke_all(session: AsyncSession, user_id: UUID) -> None:
    """Revoke a person's tokens in every clinic: whoever may have had their account may have made some."""
    clinic_id = session.info.get(CLINIC)
    await set_clinic(session, None)
    await session.execute(
        update(PersonalAccessToken)
        .where(PersonalAccessToken.user_id == user_id, PersonalAccessToken.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .execution_options(synchronize_session=False)
    )
    await set_clinic(session, clinic_id)


async def read(session: AsyncSession, text: str) -> Bearer:
    """Whom a token stands for. Raises TokenRefused."""
    found = (
        await session.execute(
            select(PersonalAccessToken)
            .join(User, and_(User.id == PersonalAccessToken.user_id, User.status == "active"))
            .where(
                PersonalAccessToken.token_hash == _digest(text),
                PersonalAccessToken.revoked_at.is_(None),
                PersonalAccessToken.expires_at > func.now(),
            )
        )
    ).scalar_one_or_none()
    if found is None:
        raise TokenRefused
    return Bearer(found.id, found.user_id, found.clinic_id, tuple(found.scopes))


async def stamp(session: AsyncSession, token_id: UUID) -> None:
    """Note that a token was used, once a minute at most; in a transaction of its clinic."""
    stale = PersonalAccessToken.last_used_at.is_(None) | (PersonalAccessToken.last_used_at < func.now() - _STAMP_EVERY)
    await session.execute(
        update(PersonalAccessToken)
        .where(PersonalAccessToken.id == token_id, stale)
        .values(last_used_at=func.now())
        .execution_options(synchronize_session=False)
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

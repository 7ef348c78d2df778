"""A support person's session: begun with a pass the platform signed, once; a token of 256 random bits of which a digest is kept."""

import hashlib
import secrets
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth.errors import WelcomeUsed
from app.core.auth.invitations import burn
from dentalpin_kit.tokens import Token

from .errors import SupportPassUsed, SupportSessionOver
from .models import SupportAccess
from .service import OF_HERE
from .states import AccessState

MARK: Final = "dps_"
"""How a token of support begins."""


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


async def begin(session: AsyncSession, given: Token, *, at: datetime) -> tuple[SupportAccess, str]:
    """Use a pass: the access it is for, and the token of its session; an earlier session of the same access ends.

    Raises SupportSessionOver where the access is not in force or the pass is another person's, SupportPassUsed.
    """
    try:
        await burn(session, given.jti, given.expires_at)
    except WelcomeUsed as error:
        raise SupportPassUsed from error
    token = MARK + secrets.token_urlsafe(32)
    begun = (
        update(SupportAccess)
        .where(
            SupportAccess.id == _id_of(given),
            SupportAccess.operator == (given.subject or ""),
            SupportAccess.state == AccessState.ACTIVE,
            SupportAccess.ends_at > at,
            OF_HERE,
        )
        .values(token_hash=digest(token), opened_at=func.coalesce(SupportAccess.opened_at, at))
        .returning(SupportAccess)
        .execution_options(synchronize_session=False)
    )
    access = await session.scalar(begun)
    if access is None:
        raise SupportSessionOver
    return access, token


async def find(session: AsyncSession, token: str, *, at: datetime) -> SupportAccess:
    """The access in force whose session this is. Raises SupportSessionOver."""
    in_force = (SupportAccess.state == AccessState.ACTIVE, SupportAccess.ends_at > at, OF_HERE)
    found = await session.scalar(select(SupportAccess).where(SupportAccess.token_hash == digest(token), *in_force))
    if found is None:
        raise SupportSessionOver
    return found


def _id_of(given: Token) -> UUID:
    try:
        return UUID(str(given.claims.get("access")))
    except ValueError as error:
        raise SupportSessionOver from error

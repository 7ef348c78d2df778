"""Operator keys: made once, shown once, stored as a digest."""

import hashlib
import secrets
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.access.errors import NotAuthenticated, UnknownKey
from control_plane.access.models import OperatorKey
from control_plane.access.secret_files import write_secret

_MARK: Final = "dpk_"
_SHOWN: Final = len(_MARK) + 8


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


async def create_key(session: AsyncSession, name: str, *, at: datetime) -> tuple[OperatorKey, str]:
    """A new key and its row. The key itself is nowhere stored: show it now or never."""
    secret = _MARK + secrets.token_hex(4) + secrets.token_urlsafe(32)
    return _store(session, secret, name, at=at), secret


def _store(session: AsyncSession, secret: str, name: str, *, at: datetime) -> OperatorKey:
    key = OperatorKey(name=name, prefix=secret[:_SHOWN], digest=digest(secret), created_at=at)
    session.add(key)
    return key


async def list_keys(session: AsyncSession) -> list[OperatorKey]:
    return list(await session.scalars(select(OperatorKey).order_by(OperatorKey.created_at, OperatorKey.prefix)))


async def revoke_key(session: AsyncSession, prefix: str, *, at: datetime) -> OperatorKey:
    """The key is refused from now on; revoking it again changes nothing. Raises UnknownKey."""
    key = await session.scalar(select(OperatorKey).where(OperatorKey.prefix == prefix).with_for_update())
    if key is None:
        raise UnknownKey(prefix)
    key.revoked_at = key.revoked_at or at
    return key


async def authenticate(session: AsyncSession, authorization: str | None) -> Actor:
    """Who sends this Authorization header. Raises NotAuthenticated, without saying which part is wrong."""
    scheme, _, key = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise NotAuthenticated
    row = await session.scalar(select(OperatorKey).where(OperatorKey.digest == digest(key.strip()), OperatorKey.revoked_at.is_(None)))
    if row is None:
        raise NotAuthenticated
    return Actor.operator(row.prefix)


async def ensure_first_key(session: AsyncSession, file: Path, *, at: datetime) -> None:
    """See to it that `file` (0600) holds a key this platform has known; a revoked one stays revoked.

    The file is written before the row is committed: whatever dies in between, the next start stores the very key in the file.
    """
    if file.exists():
        secret = file.read_text(encoding="utf-8").strip()
    else:
        secret = _MARK + secrets.token_hex(4) + secrets.token_urlsafe(32)
        write_secret(file, secret + "\n")
    if await session.scalar(select(OperatorKey.id).where(OperatorKey.digest == digest(secret))) is None:
        _store(session, secret, "first key", at=at)

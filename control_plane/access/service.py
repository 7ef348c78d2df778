"""Who sends a request, and the keys by which programs say so: made once, shown once, stored as a digest."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from control_plane.access.actors import Actor
from control_plane.access.errors import KeyOfAnother, KeyOver, NeedsASession, NotAuthenticated, ScopeUnknown, UnknownKey
from control_plane.access.models import Account, AccountSession, OperatorKey
from control_plane.access.scopes import ALL, ROLES, Kind
from control_plane.access.secret_files import write_secret

_MARK: Final = "dpk_"
_SHOWN: Final = len(_MARK) + 8
_NOTICED: Final = timedelta(minutes=1)
"""How exactly the last use of a key or a session is known."""
IDLE: Final = timedelta(hours=1)
"""A session nobody uses ends after this."""
OVERLAP: Final = timedelta(days=1)


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


async def authenticate(session: AsyncSession, authorization: str | None, cookie: str | None = None, *, at: datetime) -> Actor:
    """Who sends this Authorization header, or else this session's cookie. Raises NotAuthenticated, without saying which part is wrong."""
    if authorization is not None:
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise NotAuthenticated
        return await _by_key(session, key.strip(), at)
    if cookie:
        return await _by_session(session, cookie, at)
    raise NotAuthenticated


async def _by_key(session: AsyncSession, secret: str, at: datetime) -> Actor:
    in_force = (OperatorKey.revoked_at.is_(None), or_(OperatorKey.expires_at.is_(None), OperatorKey.expires_at > at))
    query = select(OperatorKey, Account).outerjoin(Account, Account.id == OperatorKey.account_id)
    found = (await session.execute(query.where(OperatorKey.digest == digest(secret), *in_force))).one_or_none()
    if found is None:
        raise NotAuthenticated
    key: OperatorKey = found[0]
    account: Account | None = found[1]
    if account is not None and account.disabled_at is not None:
        raise NotAuthenticated
    await _note_use(session, OperatorKey.id, OperatorKey.used_at, key.id, key.used_at, at)
    held = ALL if account is None else ROLES[account.kind, account.role]
    scopes = held if key.scopes is None else held & frozenset(key.scopes)
    if account is None:
        return Actor.operator(key.prefix, scopes)
    return Actor(account.kind.value, key.prefix, account.role.value, scopes, account.id, account.reseller_id)


async def _by_session(session: AsyncSession, token: str, at: datetime) -> Actor:
    query = select(AccountSession, Account).join(Account, Account.id == AccountSession.account_id)
    found = (await session.execute(query.where(AccountSession.digest == digest(token), AccountSession.ended_at.is_(None)))).one_or_none()
    if found is None:
        raise NotAuthenticated
    signed_in, account = found
    if account.disabled_at is not None or signed_in.expires_at <= at or signed_in.used_at + IDLE <= at:
        raise NotAuthenticated
    await _note_use(session, AccountSession.id, AccountSession.used_at, signed_in.id, signed_in.used_at, at)
    scopes = ROLES[account.kind, account.role] if signed_in.whole else frozenset[str]()
    return Actor(account.kind.value, account.email, account.role.value, scopes, account.id, account.reseller_id, signed_in.id)


async def _note_use(
    session: AsyncSession,
    key: InstrumentedAttribute[UUID],
    column: InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None],
    row: UUID,
    last: datetime | None,
    at: datetime,
) -> None:
    """Once a minute; whoever else notes it at this moment is not waited for."""
    if last is None or last + _NOTICED <= at:
        free = select(key).where(key == row).with_for_update(skip_locked=True).scalar_subquery()
        await session.execute(update(key.class_).where(key == free).values({column: at}).execution_options(synchronize_session=False))


async def create_key(
    session: AsyncSession,
    name: str,
    *,
    at: datetime,
    account_id: UUID | None = None,
    scopes: Iterable[str] | None = None,
    expires_at: datetime | None = None,
) -> tuple[OperatorKey, str]:
    """A new key and its row. The key itself is nowhere stored: show it now or never."""
    secret = new_secret()
    row = _store(session, secret, name, at=at)
    row.account_id, row.expires_at = account_id, expires_at
    row.scopes = None if scopes is None else sorted(set(scopes))
    return row, secret


async def create_key_for(
    session: AsyncSession, actor: Actor, name: str, *, at: datetime, scopes: list[str] | None, lasting: timedelta | None
) -> tuple[OperatorKey, str]:
    """A key of the actor's own, with no more rights than theirs. Raises NeedsASession, ScopeUnknown."""
    if actor.session_id is None and not actor.may("access:write"):
        # Else a key that expires could make one that does not.
        raise NeedsASession
    if beyond := sorted(set(scopes or ()) - actor.scopes):
        raise ScopeUnknown(beyond)
    if scopes is None and actor.scopes < ALL and actor.session_id is None:
        scopes = sorted(actor.scopes)
    expires_at = at + lasting if lasting else None
    return await create_key(session, name, at=at, account_id=actor.account_id, scopes=scopes, expires_at=expires_at)


async def rotate_key(session: AsyncSession, actor: Actor, prefix: str, *, at: datetime, overlap: timedelta) -> tuple[OperatorKey, str]:
    """A key with the same rights and the same span of life; the old one ends when `overlap` is over.

    The new key is shown to the actor, so it is no other person's and has no more rights than theirs. Raises UnknownKey, KeyOver,
    KeyOfAnother, ScopeUnknown.
    """
    old = await own_key(session, actor, prefix)
    if old.account_id is not None and old.account_id != actor.account_id:
        raise KeyOfAnother(prefix)
    account = await session.get(Account, old.account_id) if old.account_id else None
    held = ALL if account is None else ROLES[account.kind, account.role]
    if beyond := sorted((held if old.scopes is None else held & frozenset(old.scopes)) - actor.scopes):
        raise ScopeUnknown(beyond)
    if old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= at):
        raise KeyOver(prefix)
    expires_at = at + (old.expires_at - old.created_at) if old.expires_at else None
    new = await create_key(session, old.name, at=at, account_id=old.account_id, scopes=old.scopes, expires_at=expires_at)
    old.expires_at = min(at + overlap, old.expires_at) if old.expires_at else at + overlap
    return new


def _store(session: AsyncSession, secret: str, name: str, *, at: datetime) -> OperatorKey:
    key = OperatorKey(name=name, prefix=secret[:_SHOWN], digest=digest(secret), created_at=at)
    session.add(key)
    return key


async def list_keys(session: AsyncSession, actor: Actor) -> list[OperatorKey]:
    """The actor's keys; all of them for those who may look after access."""
    query = select(OperatorKey).order_by(OperatorKey.created_at, OperatorKey.prefix)
    if not _over_all(actor, "access:read"):
        query = query.where(OperatorKey.account_id == actor.account_id, OperatorKey.account_id.is_not(None))
    return list(await session.scalars(query))


async def own_key(session: AsyncSession, actor: Actor, prefix: str) -> OperatorKey:
    """The key, locked. Raises UnknownKey for one that is not there or is somebody else's."""
    key = await session.scalar(select(OperatorKey).where(OperatorKey.prefix == prefix).with_for_update())
    own = key is not None and (key.prefix == actor.id or (key.account_id is not None and key.account_id == actor.account_id))
    if key is None or not (own or _over_all(actor, "access:write")):
        raise UnknownKey(prefix)
    return key


async def revoke_key(session: AsyncSession, actor: Actor, prefix: str, *, at: datetime) -> OperatorKey:
    """The key is refused from now on; revoking it again changes nothing. Raises UnknownKey."""
    key = await own_key(session, actor, prefix)
    key.revoked_at = key.revoked_at or at
    return key


def _over_all(actor: Actor, scope: str) -> bool:
    return actor.kind == Kind.OPERATOR and actor.may(scope)


def new_secret() -> str:
    return _MARK + secrets.token_hex(4) + secrets.token_urlsafe(32)


def key_in(file: Path) -> str:
    """The first operator key in `file` (0600), made here where there is none.

    It is written before it is stored: whatever dies in between, the next start stores the very key in the file.
    """
    if not file.exists():
        write_secret(file, new_secret() + "\n")
    return file.read_text(encoding="utf-8").strip()


async def ensure_first_key(session: AsyncSession, secret: str, *, at: datetime) -> None:
    """See to it that this platform has known the first key; a revoked one stays revoked."""
    if await session.scalar(select(OperatorKey.id).where(OperatorKey.digest == digest(secret))) is None:
        _store(session, secret, "first key", at=at)

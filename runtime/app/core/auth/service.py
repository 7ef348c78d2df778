"""Signing in, in one step or two, and passwords: changing one's own, asking for a link, using it."""

from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import unit_of_work

from . import second_factor, sessions, trail
from .errors import NotSignedIn, PasswordWrong, SecondFactorNeeded, SessionEnded, SignInExpired, WrongCredentials
from .models import User
from .passwords import check_strength
from .sessions import OpenSession
from .state import AuthState
from .throttle import CODE
from .tokens import PENDING_LIFETIME, Claims
from .trail import Origin

_PENDING_SECONDS: Final = int(PENDING_LIFETIME.total_seconds())


async def sign_in(
    session: AsyncSession,
    auth: AuthState,
    *,
    email: str,
    password: str,
    origin: Origin,
    clinic_id: UUID | None = None,
    for_pages: bool = False,
) -> OpenSession:
    """Open a session for who has this password. Raises TooManyAttempts, WrongCredentials, SecondFactorNeeded."""
    account = email.strip().lower()
    buckets = auth.throttle.of_sign_in(account, origin.peer)
    await auth.throttle.attempt(buckets)
    # A transaction of its own: computing a hash takes long, and no connection should wait for it.
    async with unit_of_work() as reading:
        query = select(User.id, User.password_hash, User.second_factor_since).where(User.email == account, User.status == "active")
        found = (await reading.execute(query)).one_or_none()
    valid, renewed = await auth.passwords.verify(password, found.password_hash if found else None)
    if found is None or not valid:
        async with unit_of_work() as noting:
            await trail.record(noting, origin, "sign_in_refused", user_id=found.id if found else None)
        raise WrongCredentials
    await auth.throttle.succeeded(buckets)
    if renewed is not None:
        await session.execute(update(User).where(User.id == found.id).values(password_hash=renewed))
    if found.second_factor_since is not None:
        raise SecondFactorNeeded(auth.tokens.issue(Claims(found.id, uuid4(), clinic_id), "pending"), _PENDING_SECONDS)
    return await sessions.open_session(session, found.id, origin, clinic_id, for_pages=for_pages)


async def complete_sign_in(
    session: AsyncSession, auth: AuthState, *, pending: str, code: str, origin: Origin, for_pages: bool = False
) -> OpenSession:
    """The second step. Raises SignInExpired, SecondFactorWrong, SecondFactorUnreadable, TooManyAttempts."""
    try:
        claims = auth.tokens.read(pending, "pending")
    except (NotSignedIn, SessionEnded) as error:
        raise SignInExpired from error
    if await session.scalar(select(User.id).where(User.id == claims.user_id, User.status == "active")) is None:
        raise SignInExpired
    await second_factor.check(session, auth, claims.user_id, code, origin=origin)
    return await sessions.open_session(session, claims.user_id, origin, claims.clinic_id, for_pages=for_pages)


async def prove_password(auth: AuthState, user_id: UUID, password: str) -> None:
    """Somebody signed in shows that it is still them. Raises PasswordWrong, TooManyAttempts."""
    bucket = auth.throttle.bucket(CODE, "password", str(user_id))
    await auth.throttle.attempt([bucket])
    async with unit_of_work() as reading:
        hashed = await reading.scalar(select(User.password_hash).where(User.id == user_id))
    valid, _ = await auth.passwords.verify(password, hashed)
    if not valid:
        raise PasswordWrong
    await auth.throttle.succeeded([bucket])


async def change_password(
    session: AsyncSession, auth: AuthState, user_id: UUID, *, email: str, current: str, new: str, origin: Origin, session_id: UUID
) -> None:
    """Raises PasswordWrong, PasswordTooWeak, TooManyAttempts. Every other session ends."""
    await prove_password(auth, user_id, current)
    await set_password(session, auth, user_id, email=email, password=new, origin=origin)
    await sessions.end_all(session, user_id, but=session_id)


async def set_password(session: AsyncSession, auth: AuthState, user_id: UUID, *, email: str, password: str, origin: Origin) -> None:
    """Raises PasswordTooWeak. Sessions are the caller's to end."""
    check_strength(password, email)
    hashed = await auth.passwords.hash(password)
    await session.execute(update(User).where(User.id == user_id).values(password_hash=hashed, password_set_at=func.now()))
    await trail.record(session, origin, "password_set", user_id=user_id)

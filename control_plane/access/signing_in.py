"""Signing in with a password and the code of an authenticator app (TOTP, RFC 6238). Sessions are rows; a cookie holds 256 random bits."""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import pyotp
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access import accounts, recovery, throttle
from control_plane.access.actors import Actor
from control_plane.access.errors import (
    NoSecondFactor,
    PasswordWrong,
    SecondFactorEnrolled,
    SecondFactorNeeded,
    SecondFactorWrong,
    SignInRefused,
)
from control_plane.access.models import Account, AccountSession
from control_plane.access.passwords import Passwords, check_strength
from control_plane.access.scopes import Kind
from control_plane.access.service import digest
from control_plane.audit import service as audit
from control_plane.platform import Platform
from control_plane.vault.vault import Vault, place

LASTS: Final = timedelta(hours=12)
MAILED_JUST_NOW: Final = timedelta(minutes=30)
"""How long somebody who came by a mailed link may set a password without knowing the present one."""
STEP: Final = 30
"""Seconds a code lasts."""
DRIFT: Final = 1
"""Steps a phone's clock may be off, either way."""
ISSUER: Final = "DentalPin platform"


@dataclass(frozen=True, slots=True)
class SignedIn:
    account: Account
    session: AccountSession
    token: str
    """What the cookie holds; stored nowhere."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    secret: str
    uri: str


async def sign_in(platform: Platform, passwords: Passwords, *, email: str, password: str, code: str | None, peer: str) -> SignedIn:
    """Raises TooManyAttempts, SignInRefused, SecondFactorNeeded. Attempts are counted first, and stay counted when this is refused."""
    now = platform.clock.now()
    buckets = throttle.of_sign_in(email.lower(), peer)
    await throttle.attempt(platform.database, buckets, at=now)
    async with platform.database.transaction() as session:
        account = await session.scalar(select(Account).where(Account.email == email.lower()))
        valid = await passwords.verify(password, account.password_hash if account else None)
        if account is None or not valid or account.disabled_at is not None:
            raise SignInRefused
        if account.second_factor_since is not None:
            if code is None:
                raise SecondFactorNeeded
            if not await accept_code(session, platform.vault, account.id, code, at=now):
                raise SignInRefused
        whole = account.second_factor_since is not None or account.kind is not Kind.OPERATOR
        signed_in = begin_session(session, account, whole=whole, at=now)
    await throttle.succeeded(platform.database, buckets)
    return signed_in


def begin_session(session: AsyncSession, account: Account, *, whole: bool, at: datetime, by_mail: bool = False) -> SignedIn:
    token = secrets.token_urlsafe(32)
    moments = {"created_at": at, "used_at": at, "expires_at": at + LASTS}
    row = AccountSession(account_id=account.id, digest=digest(token), whole=whole, by_mail=by_mail, **moments)
    session.add(row)
    return SignedIn(account, row, token)


async def begin_second_factor(session: AsyncSession, vault: Vault, account_id: UUID) -> Enrolment:
    """A new secret, in force once `confirm_second_factor` was given a code of it. Raises SecondFactorEnrolled."""
    account = await accounts.get(session, account_id, lock=True)
    if account.second_factor_since is not None:
        raise SecondFactorEnrolled
    secret = pyotp.random_base32()
    account.sealed_second_factor = vault.seal(secret.encode(), _place(account_id))
    account.second_factor_step = 0
    await session.flush()
    return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=account.email, issuer_name=ISSUER))


async def confirm_second_factor(platform: Platform, session: AsyncSession, account_id: UUID, session_id: UUID, code: str) -> list[str]:
    """Put the begun enrolment in force: this session is whole from now on, every other one ends. The recovery codes, shown now or never.

    Raises SecondFactorEnrolled, SecondFactorWrong, TooManyAttempts.
    """
    now = platform.clock.now()
    bucket = throttle.bucket(throttle.CODE, str(account_id))
    await throttle.attempt(platform.database, [bucket], at=now)
    account = await accounts.get(session, account_id, lock=True)
    if account.second_factor_since is not None:
        raise SecondFactorEnrolled
    if not await _accept_of_app(session, platform.vault, account_id, code, at=now):
        raise SecondFactorWrong
    account.second_factor_since = now
    await session.execute(update(AccountSession).where(AccountSession.id == session_id).values(whole=True))
    await accounts.end_sessions(session, account_id, at=now, but=session_id)
    return await recovery.renew(session, account_id, at=now)


async def renew_recovery_codes(platform: Platform, session: AsyncSession, account_id: UUID, code: str) -> list[str]:
    """New ones for a code of the app, or for one of the old. Raises NoSecondFactor, SecondFactorWrong, TooManyAttempts."""
    now = platform.clock.now()
    bucket = throttle.bucket(throttle.CODE, str(account_id))
    await throttle.attempt(platform.database, [bucket], at=now)
    account = await accounts.get(session, account_id, lock=True)
    if account.second_factor_since is None:
        raise NoSecondFactor
    if not await accept_code(session, platform.vault, account_id, code, at=now):
        raise SecondFactorWrong
    return await recovery.renew(session, account_id, at=now)


async def change_password(platform: Platform, session: AsyncSession, account_id: UUID, session_id: UUID, *, current: str, new: str) -> None:
    """Every other session ends. Raises TooManyAttempts, PasswordWrong, PasswordTooWeak."""
    now = platform.clock.now()
    bucket = throttle.bucket(throttle.CODE, "password", str(account_id))
    await throttle.attempt(platform.database, [bucket], at=now)
    account = await accounts.get(session, account_id, lock=True)
    if not await platform.passwords.verify(current, account.password_hash):
        raise PasswordWrong
    check_strength(new, account.email)
    account.password_hash = await platform.passwords.hash(new)
    await accounts.end_sessions(session, account_id, at=now, but=session_id)
    await throttle.succeeded(platform.database, [bucket])


async def knows_by_mail(session: AsyncSession, account_id: UUID, session_id: UUID, *, at: datetime) -> bool:
    """Whether a password may be set without knowing the present one: there is none, or the session began with a mailed link just now.

    Not for operators: who signs in at the identity provider does so because that is where the second factor is asked for.
    """
    account = await accounts.get(session, account_id)
    begun = await session.get_one(AccountSession, session_id)
    just_now = begun.by_mail and at < begun.created_at + MAILED_JUST_NOW
    return account.kind is not Kind.OPERATOR and (account.password_hash is None or just_now)


async def choose_password(platform: Platform, session: AsyncSession, account_id: UUID, session_id: UUID, *, new: str) -> None:
    """A password without knowing the present one; every other session ends. Raises PasswordWrong, PasswordTooWeak."""
    account = await accounts.get(session, account_id, lock=True)
    if not await knows_by_mail(session, account_id, session_id, at=platform.clock.now()):
        raise PasswordWrong
    check_strength(new, account.email)
    account.password_hash = await platform.passwords.hash(new)
    await accounts.end_sessions(session, account_id, at=platform.clock.now(), but=session_id)


async def accept_code(session: AsyncSession, vault: Vault, account_id: UUID, code: str, *, at: datetime) -> bool:
    """Whether the app shows this code now, or it is a recovery code; each is accepted once."""
    if await _accept_of_app(session, vault, account_id, code, at=at):
        return True
    if not await recovery.use(session, account_id, code, at=at):
        return False
    account = await accounts.get(session, account_id)
    actor = Actor(account.kind.value, account.email, account.role.value, account_id=account.id)
    left = await recovery.left(session, account_id)
    audit.record(session, actor, "account.recovery_code_used", at=at, account=str(account_id), left=left)
    return True


async def _accept_of_app(session: AsyncSession, vault: Vault, account_id: UUID, code: str, *, at: datetime) -> bool:
    sealed = await session.scalar(select(Account.sealed_second_factor).where(Account.id == account_id))
    if sealed is None:
        return False
    app = pyotp.TOTP(vault.open(sealed, _place(account_id)).decode())
    now = int(at.timestamp()) // STEP
    given = code.replace(" ", "").encode()
    shown = [step for step in range(now - DRIFT, now + DRIFT + 1) if hmac.compare_digest(app.generate_otp(step).encode(), given)]
    if not shown:
        return False
    first_use = update(Account).where(Account.id == account_id, Account.second_factor_step < shown[0]).values(second_factor_step=shown[0])
    used = await session.execute(first_use.returning(Account.id).execution_options(synchronize_session=False))
    return used.one_or_none() is not None


async def take_second_factor(session: AsyncSession, account: Account) -> None:
    """Take it away without a code, recovery codes too: an administrator, for somebody who lost the phone."""
    await recovery.forget(session, account.id)
    account.sealed_second_factor, account.second_factor_since, account.second_factor_step = None, None, 0


def _place(account_id: UUID) -> str:
    return place("account", "sealed_second_factor", account_id)

"""The second factor: codes of an authenticator app (TOTP, RFC 6238), each good once, and recovery codes for the day the app is gone."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import unit_of_work

from . import sessions, trail
from .errors import NoSecondFactor, SecondFactorEnrolled, SecondFactorUnreadable, SecondFactorWrong
from .models import RecoveryCode, SecondFactor, User
from .sealing import KeyUnknown
from .state import AuthState
from .throttle import CODE, CODE_SLOW, Bucket
from .trail import Origin

STEP: Final = 30
"""Seconds a code lasts."""
DRIFT: Final = 1
"""Steps a phone's clock may be off, either way."""
RECOVERY_CODES: Final = 10
ISSUER: Final = "DentalPin"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app is given, by hand or as a QR code of the URI."""

    secret: str
    uri: str


async def begin(session: AsyncSession, auth: AuthState, user_id: UUID, email: str) -> Enrolment:
    """A new secret, in force once `confirm` was given a code of it. Raises SecondFactorEnrolled."""
    import pyotp

    secret = pyotp.random_base32()
    values = {"sealed": auth.sealer.seal(secret, owner=str(user_id)), "last_step": 0}
    stored = await session.execute(
        upsert(SecondFactor)
        .values(user_id=user_id, **values)
        .on_conflict_do_update(index_elements=["user_id"], set_=values, where=SecondFactor.confirmed_at.is_(None))
        .returning(SecondFactor.user_id)
    )
    if stored.one_or_none() is None:
        raise SecondFactorEnrolled
    return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER))


async def confirm(session: AsyncSession, auth: AuthState, user_id: UUID, code: str, *, origin: Origin, session_id: UUID) -> list[str]:
    """Put the begun enrolment in force; the recovery codes, which cannot be read again. Every other session ends.

    Raises NoSecondFactor, SecondFactorEnrolled, SecondFactorWrong, TooManyAttempts.
    """
    factor = await session.get(SecondFactor, user_id, with_for_update=True)
    if factor is None:
        raise NoSecondFactor
    if factor.confirmed_at is not None:
        raise SecondFactorEnrolled
    buckets = _buckets(auth, user_id)
    await auth.throttle.attempt(buckets)
    if not await _accept_app_code(session, auth, user_id, code):
        raise SecondFactorWrong
    await session.execute(update(SecondFactor).where(SecondFactor.user_id == user_id).values(confirmed_at=func.now()))
    await session.execute(update(User).where(User.id == user_id).values(second_factor_since=func.now()))
    await sessions.end_all(session, user_id, but=session_id)
    await trail.record(session, origin, "second_factor_enrolled", user_id=user_id)
    await auth.throttle.succeeded(buckets)
    return await _new_recovery_codes(session, user_id)


async def check(session: AsyncSession, auth: AuthState, user_id: UUID, code: str, *, origin: Origin) -> None:
    """Accept a code of the app, or a recovery code, once. Raises SecondFactorWrong, SecondFactorUnreadable, TooManyAttempts."""
    buckets = _buckets(auth, user_id)
    await auth.throttle.attempt(buckets)
    given = code.replace(" ", "").replace("-", "").lower()
    if given.isascii() and given.isdigit():
        accepted = await _accept_app_code(session, auth, user_id, given)
    else:
        accepted = await _accept_recovery_code(session, user_id, given)
        if accepted:
            await trail.record(session, origin, "recovery_code_used", user_id=user_id)
    if not accepted:
        async with unit_of_work() as noting:
            await trail.record(noting, origin, "second_factor_refused", user_id=user_id)
        raise SecondFactorWrong
    await auth.throttle.succeeded(buckets)


async def renew_recovery_codes(session: AsyncSession, auth: AuthState, user_id: UUID, code: str, *, origin: Origin) -> list[str]:
    """Ten new codes; the old ones stop working. Raises NoSecondFactor and what `check` raises."""
    await _in_force(session, user_id)
    await check(session, auth, user_id, code, origin=origin)
    await trail.record(session, origin, "recovery_codes_renewed", user_id=user_id)
    return await _new_recovery_codes(session, user_id)


async def remove(session: AsyncSession, auth: AuthState, user_id: UUID, code: str, *, origin: Origin) -> None:
    """Raises NoSecondFactor and what `check` raises."""
    await _in_force(session, user_id)
    await check(session, auth, user_id, code, origin=origin)
    await reset(session, user_id, origin=origin, actor_id=user_id)


async def reset(session: AsyncSession, user_id: UUID, *, origin: Origin, actor_id: UUID, clinic_id: UUID | None = None) -> None:
    """Take the second factor away without a code: an administrator, for somebody who lost phone and recovery codes."""
    await session.execute(delete(SecondFactor).where(SecondFactor.user_id == user_id))
    await session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    await session.execute(update(User).where(User.id == user_id).values(second_factor_since=None))
    await trail.record(session, origin, "second_factor_removed", user_id=user_id, actor_id=actor_id, clinic_id=clinic_id)


async def recovery_codes_left(session: AsyncSession, user_id: UUID) -> int:
    query = select(func.count()).select_from(RecoveryCode).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    return await session.scalar(query) or 0


def _buckets(auth: AuthState, user_id: UUID) -> tuple[Bucket, ...]:
    return (auth.throttle.bucket(CODE, str(user_id)), auth.throttle.bucket(CODE_SLOW, str(user_id)))


async def _in_force(session: AsyncSession, user_id: UUID) -> None:
    if await session.scalar(select(User.second_factor_since).where(User.id == user_id)) is None:
        raise NoSecondFactor


async def _accept_app_code(session: AsyncSession, auth: AuthState, user_id: UUID, code: str) -> bool:
    import pyotp

    sealed = await session.scalar(select(SecondFactor.sealed).where(SecondFactor.user_id == user_id))
    if sealed is None:
        return False
    try:
        app = pyotp.TOTP(auth.sealer.open(sealed, owner=str(user_id)))
    except KeyUnknown as error:
        raise SecondFactorUnreadable from error
    now = int(auth.clock()) // STEP
    given = code.replace(" ", "").encode()
    shown = [step for step in range(now - DRIFT, now + DRIFT + 1) if hmac.compare_digest(app.generate_otp(step).encode(), given)]
    if not shown:
        return False
    used = await session.execute(
        update(SecondFactor)
        .where(SecondFactor.user_id == user_id, SecondFactor.last_step < shown[0])
        .values(last_step=shown[0])
        .returning(SecondFactor.user_id)
        .execution_options(synchronize_session=False)
    )
    return used.one_or_none() is not None


async def _accept_recovery_code(session: AsyncSession, user_id: UUID, code: str) -> bool:
    used = await session.execute(
        update(RecoveryCode)
        .where(RecoveryCode.user_id == user_id, RecoveryCode.code_hash == _digest(code), RecoveryCode.used_at.is_(None))
        .values(used_at=func.now())
        .returning(RecoveryCode.id)
        .execution_options(synchronize_session=False)
    )
    return used.one_or_none() is not None


async def _new_recovery_codes(session: AsyncSession, user_id: UUID) -> list[str]:
    await session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    # 80 random bits: a plain digest cannot be turned back. Five bits a letter, no 0, 1, 8 or 9 to mistake for others.
    codes = [base64.b32encode(secrets.token_bytes(10)).decode().lower() for _ in range(RECOVERY_CODES)]
    # A code of digits only would be taken for one of the app.
    codes = [code if not code.isdigit() else f"a{code[1:]}" for code in codes]
    await session.execute(insert(RecoveryCode), [{"user_id": user_id, "code_hash": _digest(code)} for code in codes])
    return ["-".join(code[i : i + 4] for i in range(0, 16, 4)) for code in codes]


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()

"""Recovery codes: each stands in once for the authenticator app. 80 random bits, so that a plain digest cannot be reversed."""

import base64
import hashlib
import secrets
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.models import RecoveryCode

COUNT: Final = 10
_GROUP: Final = 4


async def renew(session: AsyncSession, account_id: UUID, *, at: datetime) -> list[str]:
    """New codes, shown now or never; those from before stop working."""
    await forget(session, account_id)
    codes = [base64.b32encode(secrets.token_bytes(10)).decode().lower() for _ in range(COUNT)]
    session.add_all(RecoveryCode(account_id=account_id, digest=_digest(code), created_at=at) for code in codes)
    await session.flush()
    return ["-".join(code[i : i + _GROUP] for i in range(0, len(code), _GROUP)) for code in codes]


async def use(session: AsyncSession, account_id: UUID, code: str, *, at: datetime) -> bool:
    """Whether it is a code of theirs that was not used; it is used now, and of two at once one wins."""
    unused = (RecoveryCode.account_id == account_id, RecoveryCode.digest == _digest(code), RecoveryCode.used_at.is_(None))
    taken = update(RecoveryCode).where(*unused).values(used_at=at).returning(RecoveryCode.id)
    return (await session.execute(taken.execution_options(synchronize_session=False))).one_or_none() is not None


async def left(session: AsyncSession, account_id: UUID) -> int:
    unused = (RecoveryCode.account_id == account_id, RecoveryCode.used_at.is_(None))
    return await session.scalar(select(func.count()).select_from(RecoveryCode).where(*unused)) or 0


async def forget(session: AsyncSession, account_id: UUID) -> None:
    await session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account_id))


def _digest(code: str) -> str:
    plain = "".join(code.lower().split()).replace("-", "")
    return hashlib.sha256(plain.encode()).hexdigest()

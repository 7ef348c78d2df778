"""What has served its time: windows that are over, sign-ins that never came back, sessions that ended long ago."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, func
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.models import AccountSession, Attempts, OidcSignIn

SESSIONS_KEPT: Final = timedelta(days=30)


async def forget_old(session: AsyncSession, *, at: datetime) -> None:
    """Repeatable, by any worker."""
    await session.execute(delete(Attempts).where(Attempts.window_ends < at))
    await session.execute(delete(OidcSignIn).where(OidcSignIn.expires_at < at))
    over = func.least(AccountSession.expires_at, func.coalesce(AccountSession.ended_at, AccountSession.expires_at))
    await session.execute(delete(AccountSession).where(over < at - SESSIONS_KEPT))

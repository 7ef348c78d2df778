"""How much of the plan is in use, counted over all clinics of the tenant.

Who adds something holds `lock` until the end of the transaction, so that two at once cannot both take the last place.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import unit_of_work

_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('dentalpin.plan_limits', 0))")
_CLINICS: Final = text("SELECT count(*) FROM clinics WHERE status = 'active'")
_USERS: Final = text(
    "SELECT count(*) FROM users u WHERE status = 'active' AND EXISTS ("
    "  SELECT FROM memberships m JOIN clinics c ON c.id = m.clinic_id AND c.status = 'active'"
    "  WHERE m.user_id = u.id AND m.status = 'active')"
)
_COUNTED: Final = text(
    "SELECT EXISTS (SELECT FROM users u JOIN memberships m ON m.user_id = u.id AND m.status = 'active'"
    "  JOIN clinics c ON c.id = m.clinic_id AND c.status = 'active' WHERE u.email = :email AND u.status = 'active')"
)
_DATABASE: Final = text("SELECT pg_database_size(current_database())")
_TRUSTED_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Usage:
    clinics: int
    users: int
    storage_bytes: int
    """The database and the files in the runtime's storage, its own backups left out."""


async def lock(session: AsyncSession) -> None:
    """Wait for whoever else is adding something; until the end of this transaction nobody else does."""
    await session.execute(_LOCK)


async def clinics() -> int:
    return int(await _outside(_CLINICS))


async def users() -> int:
    """People who may work in at least one clinic, invited ones included."""
    return int(await _outside(_USERS))


async def is_counted(email: str) -> bool:
    """Whether somebody is among `users` already: a further clinic for them takes no further place."""
    return bool(await _outside(_COUNTED, email=email))


async def _outside(query: TextClause, **values: str) -> int:
    # A transaction of its own: once a request has chosen its clinic it sees that clinic's people only.
    async with unit_of_work() as session:
        return int((await session.execute(query, values)).scalar_one())


class Storage:
    """Bytes in use, read again once a minute: looking through the files for each upload would cost more than it keeps."""

    def __init__(self, folder: Path, backups: Path) -> None:
        self._folder, self._backups = folder, backups
        self._known: tuple[float, int] | None = None
        self._added = 0

    async def used(self, session: AsyncSession) -> int:
        now = time.monotonic()
        if self._known is None or now - self._known[0] > _TRUSTED_SECONDS:
            files = await asyncio.to_thread(lambda: sum(self._sizes()))
            database = int((await session.execute(_DATABASE)).scalar_one())
            self._known, self._added = (now, files + database), 0
        return self._known[1] + self._added

    def note(self, size: int) -> None:
        """Count what is being stored until it is looked at again."""
        self._added += size

    def _sizes(self) -> Iterator[int]:
        for path in self._folder.rglob("*"):
            if self._backups in path.parents:
                continue
            # A file may go while it is looked at.
            with suppress(OSError):
                if path.is_file() and not path.is_symlink():
                    yield path.stat().st_size


async def usage(session: AsyncSession, storage: Storage) -> Usage:
    return Usage(await clinics(), await users(), await storage.used(session))


async def seen_by_all(session: AsyncSession, storage: Storage) -> Usage:
    """The same from a transaction that has chosen no clinic, and so sees the people of all."""
    people, clinics_there = int((await session.execute(_USERS)).scalar_one()), int((await session.execute(_CLINICS)).scalar_one())
    return Usage(clinics_there, people, await storage.used(session))

"""The one processor of a database: a session-level advisory lock, tried and polled, never queued for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from dentalpin_kit.locks import PROCESSOR, LockKey

POLL_SECONDS: Final = 0.1
_TRY: Final = sa.text("SELECT pg_try_advisory_lock(:classid, :objid)")
_RELEASE: Final = sa.text("SELECT pg_advisory_unlock(:classid, :objid)")


async def try_lock(connection: AsyncConnection, key: LockKey) -> bool:
    """Take the lock for this session if nobody else has it, shared or alone."""
    return bool((await connection.execute(_TRY, key._asdict())).scalar_one())


async def release(connection: AsyncConnection, key: LockKey) -> None:
    await connection.execute(_RELEASE, key._asdict())


@asynccontextmanager
async def processor_lock(connection: AsyncConnection) -> AsyncIterator[None]:
    """Wait until this session is the only processor of the database. If the session dies, so does the lock."""
    while not await try_lock(connection, PROCESSOR):  # noqa: ASYNC110  what is awaited lives in another process
        await asyncio.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        if not connection.invalidated and not connection.closed:
            await release(connection, PROCESSOR)

"""Direct connections of boot, quick check and locks: asyncpg alone, with errors that may be shown."""

import asyncio
from typing import Any, Final

import asyncpg

from app.core.runtime.errors import DatabaseUnreachable
from dentalpin_kit.logs import scrub

STARTING_UP: Final = 20.0
"""Seconds a database server that is starting up itself is waited for."""
_RETRY: Final = 0.25


async def connect(url: str, *, within: float = STARTING_UP, **options: Any) -> asyncpg.Connection:
    """A connection, waited for `within` seconds while the server starts. Raises DatabaseUnreachable, with no password in its message."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    while True:
        try:
            return await asyncpg.connect(url, timeout=10, **options)
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError) as error:
            if loop.time() >= end:
                what = scrub(str(error)) or type(error).__name__
                raise DatabaseUnreachable(f"the clinic's database does not answer ({what}). Start it, or correct DATABASE_URL") from error
            await asyncio.sleep(_RETRY)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, ValueError) as error:
            raise DatabaseUnreachable(f"the clinic's database refuses this runtime: {scrub(str(error))}") from error

"""Hearing of changes: one LISTEN connection per process, many waiters. A notice may be missed when the connection breaks, so every
waiter also has a time after which it looks by itself: notices make things fast, never correct.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

CHANNEL: Final = "platform_operation"
_RECONNECT_SECONDS: Final = 1.0
_PING_SECONDS: Final = 15.0

log = logging.getLogger(__name__)


class Notices:
    """Notices of operations that changed. `url` is libpq style; use as an async context manager."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._waiters: set[tuple[str | None, asyncio.Event]] = set()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Notices":
        self._task = asyncio.create_task(self._listen(), name="notices")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @asynccontextmanager
    async def subscribe(self, operation_id: str | None = None) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever this operation (or any, without an id) changes; the waiter clears it."""
        event = asyncio.Event()
        waiter = (operation_id, event)
        self._waiters.add(waiter)
        try:
            yield event
        finally:
            self._waiters.discard(waiter)

    async def _listen(self) -> None:
        while True:
            try:
                connection = await asyncpg.connect(self._url)
                try:
                    await connection.add_listener(CHANNEL, self._heard)
                    self._wake(None)
                    while True:
                        await asyncio.sleep(_PING_SECONDS)
                        await connection.execute("SELECT 1")
                finally:
                    connection.terminate()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
                log.warning("no notices from the database for now: %s", error)
                await asyncio.sleep(_RECONNECT_SECONDS)

    def _heard(self, _connection: Any, _pid: int, _channel: str, payload: Any) -> None:
        self._wake(str(payload))

    def _wake(self, operation_id: str | None) -> None:
        for wanted, event in tuple(self._waiters):
            if wanted is None or operation_id is None or wanted == operation_id:
                event.set()

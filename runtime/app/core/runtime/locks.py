"""Shared advisory locks of a serving process: as long as it holds a module's, nobody removes that module's tables.

Taken before the state is read, with try only, on a direct connection of their own. Losing the connection loses the locks: from then
on the process answers 503 until they are retaken and what it mounted is still what is installed.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg

from app.core.runtime.connection import STARTING_UP, connect
from app.core.runtime.errors import DatabaseUnreachable
from dentalpin_kit import locks as keys

logger = logging.getLogger(__name__)

PING_EVERY: Final = 15.0
PING_TIMEOUT: Final = 5.0
_RETRY: Final = (0.1, 0.2, 0.5, 1.0, 2.0)

_SETTINGS: Final = {
    "application_name": "dentalpin serving",
    "idle_session_timeout": "0",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


@dataclass(frozen=True)
class AdoptedRevision:
    """The revision this process acts on, as the database keeps it."""

    generation: int
    identity: str
    effect: str
    document: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class ServedState:
    """What the database said after the locks were taken."""

    installed: frozenset[str]
    locked: frozenset[str]
    revision: AdoptedRevision | None = None
    disabled: frozenset[str] = frozenset()
    """What is switched off: mounted, and not in use."""

    @property
    def mountable(self) -> frozenset[str]:
        """Installed, and safe from removal as long as the locks are held."""
        return self.installed & self.locked


class ServingLocks:
    """The locks of one process. `take()` once, then `watch()` as a task for as long as the process serves."""

    def __init__(self, url: str, *, on_notify: Mapping[str, Callable[[], None]] | None = None) -> None:
        """`on_notify`: what to do when another process notifies on a channel, since this connection listens anyway."""
        self._url = url
        self._on_notify = dict(on_notify or {})
        self._connection: asyncpg.Connection | None = None
        self._lost = asyncio.Event()
        self._poked = asyncio.Event()
        self._locked: set[str] = set()
        self._settled = False

    @property
    def held(self) -> bool:
        return self._settled and not self._lost.is_set()

    async def take(self, *, within: float = STARTING_UP) -> ServedState:
        """Take a shared lock on every installed module whose lock is free, then read the state.

        Raises DatabaseUnreachable when no connection is had within so many seconds.
        """
        self._lost = lost = asyncio.Event()
        self._locked = set()
        connection = await connect(self._url, within=within, command_timeout=PING_TIMEOUT, server_settings=_SETTINGS)
        connection.add_termination_listener(lambda _: lost.set())
        self._connection = connection
        for channel, act in self._on_notify.items():
            await connection.add_listener(channel, lambda *_, act=act: act())
        state = await self._settle(connection)
        self._settled = True
        return state

    async def reread(self) -> ServedState:
        """The state as it is now, beside the locks as they were taken. Raises what the connection raises."""
        assert self._connection is not None, "take() comes first"
        installed, disabled = await _installed(self._connection)
        return ServedState(installed, frozenset(self._locked), await _revision(self._connection), disabled)

    def look(self) -> None:
        """Have `watch` read the state now: another process said that it changed."""
        self._poked.set()

    async def watch(self, *, lost: Callable[[], None], retaken: Callable[[ServedState], None], seen: Callable[[ServedState], None]) -> None:
        """Until cancelled: `lost` at once when the locks are, `retaken` with the state once they are back, `seen` every 15 s
        and after `look`."""
        while True:
            if await self._still_alive():
                with contextlib.suppress(*_CONNECTION_ERRORS):
                    seen(await self.reread())
                    continue
            lost()
            await self._drop()
            retaken(await self._retake())

    async def release(self) -> None:
        """Close the connection, and with it give back every lock."""
        await self._drop()

    async def _still_alive(self) -> bool:
        waiting = [asyncio.ensure_future(self._lost.wait()), asyncio.ensure_future(self._poked.wait())]
        try:
            await asyncio.wait(waiting, timeout=PING_EVERY, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
        self._poked.clear()
        return not self._lost.is_set()

    async def _retake(self) -> ServedState:
        attempt = 0
        while True:
            try:
                return await self.take(within=0)
            except _CONNECTION_ERRORS as error:
                pause = _RETRY[min(attempt, len(_RETRY) - 1)]
                logger.warning("the serving locks cannot be retaken (%s); next attempt in %.1f s", type(error).__name__, pause)
                await self._drop()
                await asyncio.sleep(pause)
                attempt += 1

    async def _drop(self) -> None:
        connection, self._connection, self._settled = self._connection, None, False
        self._lost.set()
        if connection is not None:
            try:
                await connection.close(timeout=2)
            except _CONNECTION_ERRORS:
                connection.terminate()

    async def _settle(self, connection: asyncpg.Connection) -> ServedState:
        """Lock what is installed until everything installed was tried: a module that appears in between is neither missed nor unlocked."""
        tried: set[str] = set()
        while True:
            installed, disabled = await _installed(connection)
            missing = sorted(installed - tried)
            if not missing:
                return ServedState(installed, frozenset(self._locked), await _revision(connection), disabled)
            tried |= set(missing)
            wanted = [keys.serving(name) for name in missing]
            rows = await connection.fetch(
                "SELECT m.name, pg_try_advisory_lock_shared(m.classid, m.objid) AS taken "
                "FROM unnest($1::text[], $2::int4[], $3::int4[]) AS m (name, classid, objid)",
                missing,
                [key.classid for key in wanted],
                [key.objid for key in wanted],
            )
            self._locked |= {row["name"] for row in rows if row["taken"]}


async def _installed(connection: asyncpg.Connection) -> tuple[frozenset[str], frozenset[str]]:
    """What a process mounts, and what of all modules is switched off: one that is to go stays off until it is gone."""
    rows = await connection.fetch(
        "SELECT name, state IN ('installed', 'disabled') AS installed, "
        "state = 'disabled' OR disabled_at IS NOT NULL AS disabled FROM core_module"
    )
    return frozenset(row["name"] for row in rows if row["installed"]), frozenset(row["name"] for row in rows if row["disabled"])


async def _revision(connection: asyncpg.Connection) -> AdoptedRevision | None:
    row = await connection.fetchrow("SELECT generation, identity, effect, document FROM core_revision ORDER BY generation DESC LIMIT 1")
    if row is None:
        return None
    return AdoptedRevision(row["generation"], row["identity"], row["effect"], json.loads(row["document"]))


_CONNECTION_ERRORS: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    DatabaseUnreachable,
)

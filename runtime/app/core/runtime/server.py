"""The HTTP server of one process: uvicorn's protocols on inherited sockets, with a drain that drops no request.

Stop accepting, answer `Connection: close`, wait until the connections are gone: what a client has sent is answered by this process, what
it sends next waits in the listening socket's backlog for the following one. Two sockets: the shared one, and the control channel on a
loopback port of this very process.
"""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable
from email.utils import formatdate
from functools import partial
from typing import Any, Final

from starlette.types import ASGIApp
from uvicorn import Config
from uvicorn.server import ServerState

logger = logging.getLogger(__name__)

IDLE_CONNECTION: Final = 2.0
"""Seconds a connection without a request is kept during a drain: long enough for a request already under way to arrive."""
DRAIN_AT_MOST: Final = 60.0
_KEEP_ALIVE: Final = 15
_BACKLOG: Final = 2048
_TICK: Final = 1.0
_CLOSE_HEADER: Final = (b"connection", b"close")
CONTROL: Final = "control"
"""Set in the state of requests on the control channel."""


class ServerFailed(RuntimeError):
    """The application did not start; its log says why."""


class _Watched:
    """What drain and idle have to know of a connection, on top of one of uvicorn's protocols."""

    cycle: Any
    loop: asyncio.AbstractEventLoop
    last_activity = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.last_activity = self.loop.time()
        super().connection_made(transport)  # type: ignore[misc]  # the protocol this is mixed into

    def data_received(self, data: bytes) -> None:
        self.last_activity = self.loop.time()
        super().data_received(data)  # type: ignore[misc]

    def on_response_complete(self) -> None:
        self.last_activity = self.loop.time()
        super().on_response_complete()  # type: ignore[misc]

    @property
    def quiet(self) -> bool:
        """No request is being worked on."""
        return self.cycle is None or self.cycle.response_complete


def protocol_class(http: str = "auto") -> Any:
    """`httptools` if it is installed, else `h11`; both are supported."""
    if http in {"auto", "httptools"}:
        with contextlib.suppress(ImportError):
            from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

            return type("WatchedHttpTools", (_Watched, HttpToolsProtocol), {})
    from uvicorn.protocols.http.h11_impl import H11Protocol

    return type("WatchedH11", (_Watched, H11Protocol), {})


class RuntimeServer:
    """`start()`, then `drain()`. Connections of the two sockets are counted apart: the control channel is nobody's work."""

    def __init__(self, app: ASGIApp, *, public: socket.socket, control: socket.socket, http: str = "auto") -> None:
        self._protocol = protocol_class(http)
        self._config = Config(
            app,
            http=self._protocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE,
        )
        self._sockets = (public, control)
        self._public, self._control = ServerState(), ServerState()
        self._servers: list[asyncio.Server] = []
        self._ticking: asyncio.Task[None] | None = None
        self.draining = False

    @property
    def connections(self) -> int:
        """Open connections on the shared socket."""
        return len(self._public.connections)

    @property
    def requests(self) -> int:
        """Requests answered on the shared socket so far."""
        return self._public.total_requests

    async def start(self) -> None:
        """Run the application's start-up and accept connections. Raises ServerFailed."""
        self._config.load()
        self._lifespan = self._config.lifespan_class(self._config)
        await self._lifespan.startup()
        if self._lifespan.should_exit:
            raise ServerFailed("the application's start-up failed; the log says why")
        self._write_date()
        loop = asyncio.get_running_loop()
        # By this, and by nothing a client could send, a route knows on which of the two it was asked.
        channels: tuple[tuple[ServerState, dict[str, Any]], ...] = ((self._public, {}), (self._control, {CONTROL: True}))
        for listening, (state, channel) in zip(self._sockets, channels, strict=True):
            make: Callable[[], asyncio.Protocol] = partial(
                self._protocol, config=self._config, server_state=state, app_state={**self._lifespan.state, **channel}
            )
            self._servers.append(await loop.create_server(make, sock=listening, backlog=_BACKLOG))
        self._ticking = asyncio.create_task(self._tick(), name="date header")

    async def drain(self, at_most: float = DRAIN_AT_MOST) -> None:
        """Stop accepting and return when every connection is gone; those still busy after `at_most` seconds are cut off."""
        self.draining = True
        self._write_date()
        for server in self._servers:
            server.close()
        loop = asyncio.get_running_loop()
        end = loop.time() + at_most
        # A connection accepted in the last round of the loop is made known in the next.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        while connections := self._open_connections():
            now = loop.time()
            for connection in connections:
                if now >= end:
                    logger.warning("a request was still running after %.0f s of draining; its connection is closed", at_most)
                    connection.transport.close()
                elif connection.quiet and now - connection.last_activity >= IDLE_CONNECTION:
                    connection.shutdown()
            if now >= end:
                break
            await asyncio.sleep(0.02)
        await self._finish_tasks()

    async def stop(self) -> None:
        """Run the application's shut-down, after the drain."""
        if self._ticking is not None:
            self._ticking.cancel()
        await self._lifespan.shutdown()

    def _open_connections(self) -> list[Any]:
        return [*self._public.connections, *self._control.connections]

    async def _finish_tasks(self) -> None:
        """Background work of answered requests belongs to them."""
        tasks = [*self._public.tasks, *self._control.tasks]
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=IDLE_CONNECTION)
            for task in pending:
                task.cancel()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self._write_date()

    def _write_date(self) -> None:
        """In place: requests under way hold these very lists, and must hear of a drain too."""
        headers = [(b"date", formatdate(time.time(), usegmt=True).encode())]
        if self.draining:
            headers.append(_CLOSE_HEADER)
        for state in (self._public, self._control):
            state.default_headers[:] = headers

"""Clients that loop on one address over kept connections, as browsers do, and note every request that fails.

They retry in one case only: a kept connection was closed while it was idle, so that not a byte of an answer had come.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class Visitors:
    def __init__(self, url: str, *, count: int, headers: Mapping[str, str] | None = None) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        lines = [
            f"GET {parts.path or '/'} HTTP/1.1",
            f"Host: {parts.netloc}",
            *(f"{name}: {value}" for name, value in (headers or {}).items()),
        ]
        self._request = "\r\n".join([*lines, "", ""]).encode()
        self._count = count
        self._stop = False
        self._tasks: list[asyncio.Task[None]] = []
        self._answered = asyncio.Event()
        self.total = 0
        self.failures: list[str] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._loop()) for _ in range(self._count)]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop = True
        await asyncio.gather(*self._tasks)

    async def served(self, more: int) -> None:
        """Return after `more` further answers, or at the first failure."""
        goal = self.total + more
        while self.total < goal and not self.failures:
            self._answered.clear()
            await self._answered.wait()

    async def _loop(self) -> None:
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while not self._stop:
            try:
                kept = connection is not None
                if connection is None:
                    connection = await asyncio.open_connection(self._host, self._port)
                answered, connection = await self._ask(connection, kept=kept)
                self.total += answered
            except (OSError, asyncio.IncompleteReadError, ValueError) as error:
                self.failures.append(repr(error))
                connection = None
            self._answered.set()
        if connection is not None:
            connection[1].close()

    async def _ask(
        self, connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], *, kept: bool
    ) -> tuple[int, tuple[asyncio.StreamReader, asyncio.StreamWriter] | None]:
        """One request: answers (0 or 1), and the connection if it may be used again."""
        reader, writer = connection
        try:
            writer.write(self._request)
            await writer.drain()
            status_line = await reader.readline()
        except ConnectionError:
            status_line = b""
            if not kept:
                raise
        if not status_line:
            with contextlib.suppress(OSError):
                writer.close()
            if kept:
                return 0, None
            raise ConnectionResetError("closed without an answer")
        status = int(status_line.split()[1])
        closing, length = False, 0
        while (line := await reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            if name.lower() == "content-length":
                length = int(value)
            elif name.lower() == "connection":
                closing = "close" in value.lower()
        await reader.readexactly(length)
        if status >= 400:
            self.failures.append(f"status {status}")
        if closing:
            writer.close()
        return 1, None if closing else connection

"""Raw HTTP clients that loop on keep-alive connections and count what fails, as a browser would see it.

A request is sent again only where a browser may: on a connection that was idle and that the server closed before it answered a byte.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field


async def until(holds: Callable[[], bool | Awaitable[bool]], *, within: float = 60) -> None:
    """Return as soon as this holds in another process or task that tells nobody."""
    async with asyncio.timeout(within):
        while True:
            answer = holds()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.01)


@dataclass
class LoopingClients:
    host: str
    port: int
    path: str = "/"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    think: float = 0.0
    """Seconds between an answer and the next request of one client."""
    answered: int = 0
    retried: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    bodies: set[bytes] = field(default_factory=set)
    _stop: bool = False
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self, count: int) -> None:
        self._tasks = [asyncio.create_task(self._loop()) for _ in range(count)]

    async def stop(self) -> None:
        self._stop = True
        await asyncio.wait_for(asyncio.gather(*self._tasks), 60)

    async def answers(self, more: int) -> None:
        """Wait until this many more requests were answered, or one failed."""
        goal = self.answered + more
        await until(lambda: self.answered >= goal or bool(self.failures))

    async def _loop(self) -> None:
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        used = False
        while not self._stop:
            try:
                if streams is None:
                    streams, used = await asyncio.open_connection(self.host, self.port), False
                close = await self._request(*streams)
                used = True
                await asyncio.sleep(self.think)
                if close:
                    streams[1].close()
                    streams = None
            except _ClosedBeforeAnswer as error:
                if not used:
                    self.failures.append(f"a fresh connection was closed without an answer: {error}")
                    return
                self.retried += 1
                streams = None
            except (OSError, asyncio.IncompleteReadError, ValueError) as error:
                self.failures.append(repr(error))
                return
        if streams is not None:
            streams[1].close()
            with contextlib.suppress(OSError):
                await streams[1].wait_closed()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether the server wants the connection closed."""
        method = b"POST" if self.body else b"GET"
        head = b"".join(f"{name}: {value}\r\n".encode() for name, value in {"Host": "clinic", **self.headers}.items())
        length = f"Content-Length: {len(self.body)}\r\n".encode() if self.body else b""
        try:
            writer.write(method + b" " + self.path.encode() + b" HTTP/1.1\r\n" + head + length + b"\r\n" + self.body)
            first = await reader.readline()
        except ConnectionError as error:
            raise _ClosedBeforeAnswer(repr(error)) from error
        if not first:
            raise _ClosedBeforeAnswer("end of stream")
        status = int(first.split()[1])
        headers: dict[bytes, bytes] = {}
        while (line := (await reader.readline()).strip()) != b"":
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        self.bodies.add(await reader.readexactly(int(headers[b"content-length"])))
        self.answered += 1
        self.statuses[status] = self.statuses.get(status, 0) + 1
        return headers.get(b"connection", b"").lower() == b"close"


class _ClosedBeforeAnswer(Exception):
    pass

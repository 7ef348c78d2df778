"""Somebody else's web server: it takes what it is sent, and behaves as badly as it is told to."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@dataclass
class Received:
    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass
class Receiver:
    """`answers` holds what the next requests are answered, then `usual`; b"" closes without a word, None never answers."""

    port: int = 0
    usual: bytes | None = OK
    answers: list[bytes | None] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    hold_open: bool = False
    """Keep the connection after an answer, so that a body without an end never ends."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks?for=dentalpin"

    @property
    def events(self) -> list[str]:
        return [one.event["type"] for one in self.received]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *fields = head.strip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in fields)}
            self.received.append(Received(line, headers, await reader.readexactly(int(headers.get("content-length", 0)))))
            answer = self.answers.pop(0) if self.answers else self.usual
            if answer is not None:
                writer.write(answer)
                await writer.drain()
            if answer is None or self.hold_open:
                await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def status(number: int, **headers: str) -> bytes:
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {number} No\r\ncontent-length: 0\r\n{fields}\r\n".encode()


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver on a loopback port of this event loop."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()

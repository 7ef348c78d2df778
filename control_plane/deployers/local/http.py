"""As much HTTP as the supervisor needs: one request per connection, read and written with h11.

A framework would triple the memory of a process that is on every machine and answers a handful of requests a minute.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import h11

REQUEST_SECONDS = 10.0
LARGEST_BODY = 1_000_000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; an empty one is an empty object. Raises ValueError."""
        return json.loads(self.body) if self.body else {}


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, value: Any, status: int = 200) -> "Response":
        return cls(status, json.dumps(value).encode())

    @classmethod
    def problem(cls, status: int, code: str, detail: str) -> "Response":
        body = json.dumps({"type": "about:blank", "status": status, "code": code, "detail": detail}).encode()
        return cls(status, body, "application/problem+json")


Handler = Callable[[Request], Awaitable[Response]]


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
    """Read one request, answer it and close. A peer that is slow, gone or not speaking HTTP is dropped without a word."""
    connection = h11.Connection(h11.SERVER)
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            request = await _read(connection, reader)
        if request is None:
            return
        response = await handler(request)
        head = [("Content-Type", response.content_type), ("Content-Length", str(len(response.body))), ("Connection", "close")]
        writer.write(connection.send(h11.Response(status_code=response.status, headers=[*head, *response.headers])) or b"")
        if request.method != "HEAD":
            writer.write(connection.send(h11.Data(data=response.body)) or b"")
        async with asyncio.timeout(REQUEST_SECONDS):
            await writer.drain()
    except (OSError, TimeoutError, h11.RemoteProtocolError):
        pass
    except Exception:
        log.exception("a request could not be answered")
    finally:
        writer.close()


async def _read(connection: h11.Connection, reader: asyncio.StreamReader) -> Request | None:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            data = await reader.read(65536)
            if not data and head is None:
                return None
            connection.receive_data(data)
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > LARGEST_BODY:
                raise h11.RemoteProtocolError("the body is too large", error_status_hint=413)
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
            return Request(head.method.decode(), head.target.decode("latin-1").partition("?")[0], headers, bytes(body))
        else:
            return None

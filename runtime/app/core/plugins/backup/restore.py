"""The way back from a dump: the module's own migrations make the tables as they were, the rows are loaded and compared, then on to head.

Everything happens in the caller's transaction, so that a refusal at any point leaves the database as it was.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from dentalpin_kit import faults

from . import constraints
from . import tables as catalogue
from .archive import CopyHeader, copy_blocks
from .client import find_tools, tool_output
from .constraints import ForeignKey, execute
from .dump import dump_module
from .errors import BackupDamaged, DumpFailed, ReferenceLost, RestoreRefused, RevisionMissing, RowsDoNotFit, RowsPresent
from .manifest import Backup, ExternalId, Manifest, SeededRow, read_backup
from .tables import Table, quoted


class Migrations(Protocol):
    """The migrations of one module, as `app.core.plugins.migrations` runs them on the owner's connection."""

    @property
    def known(self) -> Collection[str]:
        """Every revision the installed package has."""

    async def upgrade_to(self, conn: AsyncConnection, revisions: Sequence[str]) -> None:
        """Apply exactly these of the module's revisions, none being applied; record table ownership and policies as an install does."""

    async def upgrade_to_head(self, conn: AsyncConnection) -> None:
        """Apply the module's revisions that are not applied yet."""

    async def remove(self, conn: AsyncConnection) -> None:
        """Take back every applied revision of the module."""


@dataclass(frozen=True)
class Present:
    """The module as it is installed now."""

    version: str
    revisions: Sequence[str]
    tables: Collection[str]


@dataclass(frozen=True)
class Restored:
    backup: Backup
    replaced: Backup | None
    """The backup of the rows that were there before; None if there were none but untouched seeds."""


async def restore_module(
    conn: AsyncConnection,
    backup: Backup,
    *,
    migrations: Migrations,
    owner_url: str,
    storage: Path,
    core_version: str,
    present: Present | None = None,
    replace: bool = False,
    bindir: Path | None = None,
    now: datetime | None = None,
) -> Restored:
    """Bring back the rows of `backup`, exactly, and leave the module's schema at its head.

    `conn` is the owner's, in a fresh transaction outside any savepoint; the caller holds the processor's lock, sets a lock timeout, records
    the module's state and commits. `present` is None for a module that is not installed. One that holds rows other than its untouched seeds
    is refused (RowsPresent) unless `replace`; then those are dumped first.

    Raises RevisionMissing, ReferenceLost (naming the rows), RowsDoNotFit, BackupDamaged, or what dump_module raises; roll back then.
    """
    backup = read_backup(backup.manifest_path)
    manifest = backup.manifest
    missing = [revision for revision in manifest.revisions if revision not in migrations.known]
    if missing:
        raise RevisionMissing(manifest.module, missing, manifest.version)

    replaced = None
    incoming: list[ForeignKey] = []
    if present is not None:
        own = await catalogue.describe(conn, present.tables)
        await catalogue.lock(conn, own)
        rows = await _touched_rows(conn, manifest.module, own)
        if rows and not replace:
            raise RowsPresent(manifest.module, rows)
        if rows:
            replaced = await dump_module(
                conn,
                owner_url=owner_url,
                storage=storage,
                module=manifest.module,
                version=present.version,
                core_version=core_version,
                revisions=present.revisions,
                tables=present.tables,
                bindir=bindir,
                now=now,
            )
        # Rows of dependents point here. They are checked again once the rows are back, with those named that lost theirs.
        incoming = await constraints.incoming_keys(conn, own)
        await execute(conn, [key.dropped() for key in incoming])
        if tuple(present.revisions) != manifest.revisions:
            await migrations.remove(conn)
    if present is None or tuple(present.revisions) != manifest.revisions:
        await migrations.upgrade_to(conn, manifest.revisions)

    await _load(conn, backup, bindir)
    faults.point("backup.restore.in")
    await migrations.upgrade_to_head(conn)
    await constraints.check_references(conn, incoming)
    await execute(conn, [key.added() for key in incoming])
    return Restored(backup, replaced)


async def _touched_rows(conn: AsyncConnection, module: str, own: Sequence[Table]) -> int:
    """Rows that are not a seed as it was loaded.

    A seed and its `core_external_id` row are written by one transaction; whatever changes either of them later gives it another xmin. Where
    that cannot be told (a database that was itself restored), rows count as touched and are backed up.
    """
    total = 0
    for table in own:
        if table.partitioned:
            continue
        seeded = (
            "EXISTS (SELECT 1 FROM core_external_id e WHERE e.module_name = $1 AND e.table_name = $2"
            " AND e.record_id::text = r.id::text AND e.xmin = r.xmin)"
            if "id" in table.columns
            else "false AND $1::text = $2::text"
        )
        count = await conn.exec_driver_sql(f"SELECT count(*) FROM ONLY {table.sql} r WHERE NOT ({seeded})", (module, table.name))
        total += count.scalar_one()
    return total


async def _load(conn: AsyncConnection, backup: Backup, bindir: Path | None) -> None:
    """Put exactly the dumped rows into the module's tables, seeds elsewhere and external ids included, and compare."""
    manifest = backup.manifest
    own = await catalogue.describe(conn, [table.name for table in manifest.tables])
    _check_shape(manifest, own)
    keys = await constraints.own_keys(conn, own)
    triggers = await constraints.triggers(conn, own)
    await execute(conn, [trigger.disabled() for trigger in triggers])
    await execute(conn, [key.deferred() for key in keys])
    if own:
        # A migration may have put rows in.
        await conn.exec_driver_sql(f"TRUNCATE {', '.join(f'ONLY {table.sql}' for table in own if not table.partitioned)}")
    await _replace_seeded_rows(conn, manifest)
    if backup.dump_path is not None:
        await _copy_in(conn, backup, backup.dump_path, {table.name: table for table in own}, bindir)
    await constraints.check_references(conn, keys)
    await conn.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
    await execute(conn, [key.as_declared() for key in keys])
    await execute(conn, [trigger.enabled() for trigger in triggers])
    await _set_sequences(conn, manifest)
    async with conn.begin_nested():
        # A transaction id of its own: restored rows must not look like seeds that nobody touched (see _touched_rows).
        await _set_external_ids(conn, manifest.module, manifest.external_ids)
    await _verify(conn, backup, own)


def _check_shape(manifest: Manifest, own: Sequence[Table]) -> None:
    found = {table.name: table for table in own}
    for dumped in manifest.tables:
        table = found.get(dumped.name)
        if table is None:
            raise RowsDoNotFit(dumped.name, "they do not make this table")
        lacking = [column for column in dumped.columns if column not in table.columns]
        if lacking:
            raise RowsDoNotFit(dumped.name, f"it has no column {', '.join(lacking)}")


async def _copy_in(conn: AsyncConnection, backup: Backup, path: Path, own: dict[str, Table], bindir: Path | None) -> None:
    tools = await find_tools(backup.manifest.client_version or 0, f"The backup {backup.id}", bindir)
    driver: Any = (await conn.get_raw_connection()).driver_connection
    try:
        async with tool_output(tools.pg_restore, ["--data-only", "--file=-", str(path)], reads=path) as script:
            blocks = copy_blocks(script)
            block = await anext(blocks, None)
            while block is not None:
                header = block[0]
                if header.table not in own:
                    raise BackupDamaged(path, f"it holds rows of {header.table}, which its manifest does not name")

                async def rows(of: CopyHeader) -> AsyncIterator[bytes]:
                    nonlocal block
                    while block is not None and block[0] is of:
                        if block[1]:
                            yield b"\n".join(block[1]) + b"\n"
                        block = await anext(blocks, None)

                table = own[header.table]
                await driver.copy_to_table(table.name, schema_name=table.schema, columns=header.columns, source=rows(header))
    except (EOFError, DumpFailed) as error:
        raise BackupDamaged(path, str(error)) from None
    except asyncpg.PostgresError as error:
        # PostgreSQL's detail shows the row, so only the name of what it breaks is passed on.
        what = error.constraint_name or error.column_name or error.sqlstate
        raise RowsDoNotFit(error.table_name or "a table", f"they break {what} ({type(error).__name__})") from None


async def _replace_seeded_rows(conn: AsyncConnection, manifest: Manifest) -> None:
    """Seeds in other modules' tables: the present ones go, the dumped ones come."""
    own = [table.name for table in manifest.tables]
    kept = {external.record_id for external in manifest.external_ids}
    present = await conn.execute(
        text("""
            SELECT DISTINCT table_name, record_id::text AS id FROM core_external_id WHERE module_name = :module AND table_name <> ALL(:own)
        """),
        {"module": manifest.module, "own": own},
    )
    gone: dict[str, list[str]] = {}
    for row in present:
        if row.id not in kept:
            gone.setdefault(row.table_name, []).append(row.id)
    for table in await catalogue.describe(conn, gone):
        try:
            await conn.exec_driver_sql(f"DELETE FROM {table.sql} WHERE id::text = ANY($1)", (gone[table.name],))
        except IntegrityError:
            raise RestoreRefused(
                f"Rows {manifest.module} seeded into {table.name} are in use by others and the backup has others in their place. "
                "Nothing was changed. Remove what uses them, then restore again."
            ) from None
    tables = {table.name: table for table in await catalogue.describe(conn, {row.table for row in manifest.seeded_rows})}
    for seeded in manifest.seeded_rows:
        if seeded.table not in tables:
            raise ReferenceLost([f"a seed in the table {seeded.table}, which is not there any more"], 1)
        await _insert_seeded(conn, tables[seeded.table], seeded)


async def _insert_seeded(conn: AsyncConnection, table: Table, seeded: SeededRow) -> None:
    columns = (
        await conn.execute(
            text("SELECT key FROM jsonb_object_keys(CAST(:row AS jsonb)) key WHERE key = ANY(:columns)"),
            {"row": seeded.row, "columns": list(table.columns)},
        )
    ).scalars()
    listed = ", ".join(quoted(column) for column in columns)
    await conn.exec_driver_sql(
        f"INSERT INTO {table.sql} ({listed}) OVERRIDING SYSTEM VALUE "
        f"SELECT {listed} FROM jsonb_populate_record(NULL::{table.sql}, $1::text::jsonb) ON CONFLICT DO NOTHING",
        (seeded.row,),
    )


async def _set_sequences(conn: AsyncConnection, manifest: Manifest) -> None:
    for sequence in manifest.sequences:
        name = quoted(sequence.name)
        # RESTART gives the sequence new storage inside this transaction; setval alone would outlive a rollback.
        await conn.exec_driver_sql(f"ALTER SEQUENCE {name} RESTART")
        await conn.execute(
            text("SELECT setval(CAST(:name AS regclass), :value, :called)"),
            {"name": name, "value": sequence.last_value, "called": sequence.is_called},
        )


async def _set_external_ids(conn: AsyncConnection, module: str, external_ids: Sequence[ExternalId]) -> None:
    clinics = {external.clinic_id for external in external_ids if external.clinic_id is not None}
    there = set((await conn.execute(text("SELECT id::text FROM clinics WHERE id::text = ANY(:ids)"), {"ids": sorted(clinics)})).scalars())
    lost = [external for external in external_ids if external.clinic_id is not None and external.clinic_id not in there]
    if lost:
        named = [f"core_external_id.clinic_id={row.clinic_id} of {row.xml_id}" for row in lost[: constraints.NAMED_ROWS]]
        raise ReferenceLost(named, len(lost))
    await conn.execute(text("DELETE FROM core_external_id WHERE module_name = :module"), {"module": module})
    for external in external_ids:
        await conn.execute(
            text("""
                INSERT INTO core_external_id (id, module_name, xml_id, table_name, record_id, clinic_id, noupdate, created_at)
                VALUES (CAST(CAST(:id AS text) AS uuid), :module, :xml_id, :table_name, CAST(CAST(:record_id AS text) AS uuid),
                        CAST(CAST(:clinic_id AS text) AS uuid), :noupdate, CAST(CAST(:created_at AS text) AS timestamptz))
            """),
            {"module": module, **external.model_dump()},
        )


async def _verify(conn: AsyncConnection, backup: Backup, own: Sequence[Table]) -> None:
    expected = {table.name: table for table in backup.manifest.tables}
    live = await catalogue.digests(conn, [(table, expected[table.name].columns) for table in own])
    differ = [name for name, digest in live.items() if (digest.rows, digest.value()) != (expected[name].rows, expected[name].digest)]
    if differ:
        raise BackupDamaged(backup.manifest_path, f"the rows of {', '.join(differ)} are not those it was made from")

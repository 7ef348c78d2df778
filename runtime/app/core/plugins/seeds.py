"""YAML seeds (seeds, guide §3): the processor's second step, and what a new clinic is given.

A record for a table with a `clinic_id` is loaded once per clinic, any other once. Each is tracked in `core_external_id`, so that loading
the same file again changes nothing, an upgrade changes what the file changed (unless `noupdate`), and uninstalling takes them away.
"""

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from dentalpin_kit import faults

from .loader import Discovery, discover_modules
from .models import ModuleRecord, core_external_id, core_module, core_table_owner
from .seed_files import PlacedRecord, SeedRecord, read_seeds
from .states import HAS_SCHEMA
from .topology import ordered

Executor = AsyncConnection | AsyncSession
REFERENCE: Final = "$xmlref:"
_SUPPLIED: Final = ("id", "clinic_id")
_COLUMNS: Final = sa.text("""
    SELECT a.attname AS name, format_type(a.atttypid, -1) AS type, format_type(a.atttypid, a.atttypmod) AS exact_type,
           quote_ident(a.attname) AS quoted
    FROM pg_attribute a WHERE a.attrelid = to_regclass(quote_ident(:table)) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    ORDER BY a.attnum
""")


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    type: str
    exact_type: str
    """With length and precision. A cast to it cuts off silently, so it serves comparison only."""
    quoted: str


@dataclass(frozen=True, slots=True)
class _Tracked:
    record_id: UUID
    table: str


@dataclass(slots=True)
class Loaded:
    """What a load did, for the operation log."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    kept: int = 0
    """Records with `noupdate` that exist already."""

    def details(self) -> dict[str, int]:
        return {"inserted": self.inserted, "updated": self.updated, "unchanged": self.unchanged, "kept": self.kept}


@dataclass(slots=True)
class SeedLoader:
    """Loads one module's records. `depends` are the modules whose records may be referred to and whose tables may be filled."""

    executor: Executor
    module: str
    depends: frozenset[str]
    loaded: Loaded = field(default_factory=Loaded)
    _columns: dict[str, dict[str, _Column]] = field(default_factory=dict)
    _tracked: dict[tuple[str, UUID | None], _Tracked] = field(default_factory=dict)
    _present: dict[str, set[UUID]] = field(default_factory=dict)
    _references: dict[tuple[str, UUID | None], str] = field(default_factory=dict)
    _ids: list[dict[str, Any]] = field(default_factory=list)
    """What is to be tracked once all rows are in."""

    async def load(self, records: Sequence[PlacedRecord], clinics: Sequence[UUID], *, shared: bool = True) -> Loaded:
        """Load shared records once (unless `shared` is False) and the others for each clinic, in the order of the files."""
        await self._check_tables(records)
        await self._read_tracked()
        for placed in records:
            if "clinic_id" not in self._columns[placed.record.table]:
                if shared:
                    await self._put(placed, None)
            else:
                for clinic in clinics:
                    await self._put(placed, clinic)
            faults.point("seeds.record.after")
        if self._ids:
            # Together: a round trip for each would cost as much as the rows.
            await self.executor.execute(sa.insert(core_external_id), self._ids)
            self._ids.clear()
        return self.loaded

    async def _check_tables(self, records: Sequence[PlacedRecord]) -> None:
        owners = {
            row.table_name: row.module_name
            for row in await self.executor.execute(sa.select(core_table_owner.c.table_name, core_table_owner.c.module_name))
        }
        for placed in records:
            table = placed.record.table
            if table in self._columns:
                continue
            owner = owners.get(table)
            if owner is None:
                known = ", ".join(sorted(name for name, module in owners.items() if module == self.module)) or "no table"
                raise placed.invalid(f"there is no module table {table!r}; {self.module} has {known}. Correct `table`")
            if owner != self.module and owner not in self.depends:
                raise placed.invalid(f"the table {table} is {owner}'s; add {owner} to `depends`, or seed a table of {self.module}")
            rows = await self.executor.execute(_COLUMNS, {"table": table})
            self._columns[table] = {row.name: _Column(row.name, row.type, row.exact_type, row.quoted) for row in rows}
            if self._columns[table].get("id", _Column("", "", "", "")).type != "uuid":
                raise placed.invalid(f"the table {table} has no column id of type uuid, by which records are tracked")

    async def _read_tracked(self) -> None:
        column = core_external_id.c
        rows = await self.executor.execute(
            sa.select(column.xml_id, column.clinic_id, column.record_id, column.table_name).where(column.module_name == self.module)
        )
        self._tracked = {(row.xml_id, row.clinic_id): _Tracked(row.record_id, row.table_name) for row in rows}
        for table in self._columns:
            ids = [tracked.record_id for tracked in self._tracked.values() if tracked.table == table]
            query = sa.text(f"SELECT id FROM {_quoted(table)} WHERE id = ANY(:ids)")  # noqa: S608  the name is quoted
            self._present[table] = set((await self.executor.execute(query, {"ids": ids})).scalars()) if ids else set()

    async def _put(self, placed: PlacedRecord, clinic: UUID | None) -> None:
        record = placed.record
        known = self._tracked.get((record.xml_id, clinic))
        if known is not None and known.table != record.table:
            raise placed.invalid(f"this xml_id was a row of {known.table} before; give the row of {record.table} a new xml_id")
        if known is not None and record.noupdate:
            self.loaded.kept += 1
            return
        self._check_values(placed)
        values = {name: await self._resolved(placed, value, clinic) for name, value in record.values.items()}
        try:
            if known is not None and known.record_id in self._present[record.table]:
                await self._update(record, values, known.record_id)
            else:
                await self._insert(record, values, clinic, known)
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            raise placed.invalid(_database_reason(error)) from error

    def _check_values(self, placed: PlacedRecord) -> None:
        columns = self._columns[placed.record.table]
        for name in placed.record.values:
            if name in _SUPPLIED:
                raise placed.invalid(f"leave {name} out of values: the loader supplies it")
            if name not in columns:
                offered = ", ".join(other for other in columns if other not in _SUPPLIED)
                raise placed.invalid(f"{placed.record.table} has no column {name!r}; it has {offered}")

    async def _resolved(self, placed: PlacedRecord, value: Any, clinic: UUID | None) -> Any:
        if isinstance(value, str) and value.startswith(REFERENCE):
            return await self._referenced(placed, value.removeprefix(REFERENCE).strip(), clinic)
        if isinstance(value, list):
            return [await self._resolved(placed, item, clinic) for item in value]
        if isinstance(value, dict):
            return {key: await self._resolved(placed, item, clinic) for key, item in value.items()}
        return value

    async def _referenced(self, placed: PlacedRecord, target: str, clinic: UUID | None) -> str:
        own = self._tracked.get((target, clinic)) or self._tracked.get((target, None))
        if own is not None:
            return str(own.record_id)
        if (target, clinic) not in self._references:
            self._references[target, clinic] = await self._reference_elsewhere(placed, target, clinic)
        return self._references[target, clinic]

    async def _reference_elsewhere(self, placed: PlacedRecord, target: str, clinic: UUID | None) -> str:
        column = core_external_id.c
        query = sa.select(column.record_id, column.clinic_id, column.module_name).where(
            column.xml_id == target, sa.or_(column.clinic_id.is_(None), column.clinic_id == clinic)
        )
        # The same clinic's record before the shared one.
        best = min((await self.executor.execute(query)).all(), key=lambda row: row.clinic_id is None, default=None)
        if best is None:
            owner = target.partition(".")[0]
            hint = f"put its record before this one in {self.module}'s files" if owner == self.module else f"{owner} has no such seed here"
            scope = "" if clinic else "; a shared record can refer to shared ones only"
            raise placed.invalid(f"{REFERENCE}{target} is not there: {hint}{scope}")
        if best.module_name not in {self.module, *self.depends}:
            raise placed.invalid(f"{REFERENCE}{target} is a record of {best.module_name}; add {best.module_name} to `depends`")
        return str(best.record_id)

    async def _insert(self, record: SeedRecord, values: Mapping[str, Any], clinic: UUID | None, known: _Tracked | None) -> None:
        """A new row, or again the row of a record that somebody deleted, under its old id."""
        record_id = known.record_id if known else uuid.uuid4()
        columns, casts, parameters = self._parameters(record, values)
        names, placeholders = ["id", *(column.quoted for column in columns)], [":id", *casts]
        parameters["id"] = record_id
        if clinic is not None:
            names.append("clinic_id")
            placeholders.append(":clinic")
            parameters["clinic"] = clinic
        statement = f"INSERT INTO {_quoted(record.table)} ({', '.join(names)}) VALUES ({', '.join(placeholders)})"  # noqa: S608  names are quoted
        await self.executor.execute(sa.text(statement), parameters)
        if known is None:
            self._tracked[record.xml_id, clinic] = _Tracked(record_id, record.table)
            self._ids.append(
                {
                    "module_name": self.module,
                    "xml_id": record.xml_id,
                    "table_name": record.table,
                    "record_id": record_id,
                    "clinic_id": clinic,
                    "noupdate": record.noupdate,
                }
            )
        self.loaded.inserted += 1

    async def _update(self, record: SeedRecord, values: Mapping[str, Any], record_id: UUID) -> None:
        columns, casts, parameters = self._parameters(record, values)
        if not columns:
            self.loaded.unchanged += 1
            return
        pairs = list(zip(columns, casts, strict=True))
        assignments = ", ".join(f"{column.quoted} = {cast}" for column, cast in pairs)
        # As text: json has no equality, and a row that does not differ must not be written.
        differs = " OR ".join(
            f"CAST({column.quoted} AS text) IS DISTINCT FROM CAST(CAST({cast} AS {column.exact_type}) AS text)" for column, cast in pairs
        )
        statement = f"UPDATE {_quoted(record.table)} SET {assignments} WHERE id = :id AND ({differs}) RETURNING 1"  # noqa: S608  names are quoted
        changed = (await self.executor.execute(sa.text(statement), {**parameters, "id": record_id})).one_or_none()
        if changed is None:
            self.loaded.unchanged += 1
        else:
            self.loaded.updated += 1

    def _parameters(self, record: SeedRecord, values: Mapping[str, Any]) -> tuple[list[_Column], list[str], dict[str, Any]]:
        columns = [self._columns[record.table][name] for name in values]
        casts = [f"CAST(CAST(:v{index} AS text) AS {column.type})" for index, column in enumerate(columns)]
        parameters = {
            f"v{index}": _as_text(column.type, value) for index, (column, value) in enumerate(zip(columns, values.values(), strict=True))
        }
        return columns, casts, parameters


async def forget_seeds(executor: Executor, module: str, own_tables: Iterable[str]) -> dict[str, int]:
    """Delete the module's seeded rows in other modules' tables and everything tracked for it; its own tables go with the schema.

    Returns the rows deleted by table. A row that is still referenced raises the database's error; `references.py` looks before.
    """
    column = core_external_id.c
    deleted: dict[str, int] = {}
    rows = (await executor.execute(sa.select(column.table_name, column.record_id).where(column.module_name == module))).all()
    by_table: dict[str, list[UUID]] = {}
    for row in rows:
        if row.table_name not in set(own_tables):
            by_table.setdefault(row.table_name, []).append(row.record_id)
    for table in await _referencing_first(executor, list(by_table)):
        statement = sa.text(f"DELETE FROM {_quoted(table)} WHERE id = ANY(:ids) RETURNING 1")  # noqa: S608  the name is quoted
        deleted[table] = len((await executor.execute(statement, {"ids": by_table[table]})).all())
    await executor.execute(sa.delete(core_external_id).where(column.module_name == module))
    return deleted


async def _referencing_first(executor: Executor, tables: Sequence[str]) -> list[str]:
    rows = await executor.execute(
        sa.text("""
            SELECT f.relname AS referencing, t.relname AS referenced FROM pg_constraint k
            JOIN pg_class f ON f.oid = k.conrelid JOIN pg_class t ON t.oid = k.confrelid
            WHERE k.contype = 'f' AND f.relname = ANY(:tables) AND t.relname = ANY(:tables) AND f.oid <> t.oid
        """),
        {"tables": list(tables)},
    )
    needs: dict[str, set[str]] = {table: set() for table in tables}
    for row in rows:
        needs[row.referencing].add(row.referenced)
    return list(reversed(ordered(needs)))


async def seed_clinic(executor: Executor, clinic_id: UUID, *, discovery: Discovery | None = None) -> None:
    """Give a new clinic the per-clinic records of every installed module, dependencies first.

    Runs in the transaction that creates the clinic; under the request role, `app.clinic_id` must be the new clinic's. Raises SeedInvalid.
    """
    rows = await executor.execute(sa.select(core_module).where(core_module.c.state.in_(HAS_SCHEMA)))
    records = {row.name: ModuleRecord.of(row) for row in rows}
    found = discovery or discover_modules()
    for name in ordered({name: record.depends for name, record in records.items()}):
        manifest, package = records[name].manifest, found.get(name)
        if manifest is not None and manifest.data_files and package is not None:
            placed = read_seeds(name, package.package_path, manifest.data_files)
            await SeedLoader(executor, name, frozenset(manifest.depends)).load(placed, [clinic_id], shared=False)


def _quoted(table: str) -> str:
    return '"' + table.replace('"', '""') + '"'


def _as_text(type_name: str, value: Any) -> str | None:
    """A YAML value as the text PostgreSQL casts to the column's type."""
    if value is None:
        return None
    if type_name in {"json", "jsonb"}:
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "{" + ",".join(_array_element(item) for item in value) + "}"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _array_element(value: Any) -> str:
    if value is None:
        return "NULL"
    text = _as_text("", value) or ""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _database_reason(error: DBAPIError) -> str:
    """What PostgreSQL says, without the row it shows in its detail."""
    cause = getattr(error.orig, "__cause__", None)
    message = str(getattr(cause, "message", None) or error.orig).splitlines()[0]
    return f"PostgreSQL refuses the row: {message.removesuffix('.')}. Correct `values`"

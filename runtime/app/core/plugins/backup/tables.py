"""What the catalogue says about a module's tables, and reading their rows as COPY text."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from .archive import LineSplitter, RowDigest
from .manifest import ExternalId, SeededRow, SequenceState, TableRows

# What pg_dump sets for itself, so that the same value is the same text on both sides. Local to the transaction.
_TEXT_FORM = """
SELECT set_config('search_path', '', true), set_config('DateStyle', 'ISO', true), set_config('IntervalStyle', 'postgres', true),
       set_config('extra_float_digits', '1', true), set_config('bytea_output', 'hex', true), set_config('TimeZone', 'UTC', true)
"""
_SAVED = ("search_path", "DateStyle", "IntervalStyle", "extra_float_digits", "bytea_output", "TimeZone")


def quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


@dataclass(frozen=True)
class Table:
    oid: int
    schema: str
    name: str
    columns: tuple[str, ...]
    """Stored columns in order; generated ones left out, as pg_dump does."""
    partitioned: bool
    """The parent of partitions: holds no rows itself, its partitions are tables of their own."""

    @property
    def sql(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    def select(self, columns: Sequence[str] | None = None) -> str:
        listed = ", ".join(quoted(column) for column in (self.columns if columns is None else columns))
        return f"SELECT {listed} FROM ONLY {self.sql}"


async def describe(conn: AsyncConnection, names: Collection[str]) -> list[Table]:
    """The tables of the current schema with these names, by name; names of no table are left out."""
    rows = await conn.execute(
        text("""
            SELECT c.oid, n.nspname, c.relname, c.relkind = 'p',
                   coalesce(array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attname IS NOT NULL), '{}')
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
            WHERE n.nspname = coalesce(current_schema(), 'public') AND c.relkind IN ('r', 'p') AND c.relname = ANY(:names)
            GROUP BY c.oid, n.nspname, c.relname, c.relkind ORDER BY c.relname
        """),
        {"names": list(names)},
    )
    return [Table(oid, schema, name, tuple(columns), partitioned) for oid, schema, name, partitioned, columns in rows]


async def lock(conn: AsyncConnection, tables: Iterable[Table]) -> None:
    """Keep writers out until the transaction ends; readers and pg_dump are let in."""
    listed = ", ".join(f"ONLY {table.sql}" for table in tables)
    if listed:
        await conn.exec_driver_sql(f"LOCK TABLE {listed} IN EXCLUSIVE MODE")


async def digests(conn: AsyncConnection, wanted: Iterable[tuple[Table, Sequence[str]]]) -> dict[str, RowDigest]:
    """The live rows of each table, these columns, as this transaction sees them."""
    names = ", ".join(f"current_setting('{name}') AS \"{name}\"" for name in _SAVED)
    before = (await conn.exec_driver_sql(f"SELECT {names}")).mappings().one()
    await conn.exec_driver_sql(_TEXT_FORM)
    found = {}
    driver = (await conn.get_raw_connection()).driver_connection
    assert driver is not None
    for table, columns in wanted:
        digest, splitter = RowDigest(), LineSplitter()

        async def add(data: bytes, digest: RowDigest = digest, splitter: LineSplitter = splitter) -> None:
            digest.add(splitter.feed(data))

        if not table.partitioned:
            await driver.copy_from_query(table.select(columns), output=add)
        found[table.name] = digest
    for name, value in before.items():
        await conn.execute(text("SELECT set_config(:name, :value, true)"), {"name": name, "value": value})
    return found


def rows_of(table: Table, digest: RowDigest) -> TableRows:
    return TableRows(name=table.name, columns=table.columns, rows=digest.rows, digest=digest.value())


async def sequences(conn: AsyncConnection, tables: Iterable[Table]) -> list[SequenceState]:
    """State of the sequences that belong to these tables (serial, identity) or that their defaults draw from."""
    names = await conn.execute(
        text("""
            SELECT DISTINCT n.nspname, s.relname FROM pg_depend d
            LEFT JOIN pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
            JOIN pg_class s ON s.relkind = 'S' AND s.oid = CASE WHEN d.classid = 'pg_class'::regclass THEN d.objid ELSE d.refobjid END
            JOIN pg_namespace n ON n.oid = s.relnamespace
            WHERE d.refclassid = 'pg_class'::regclass
              AND (d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refobjid = ANY(:tables)
                   OR f.adrelid = ANY(:tables))
            ORDER BY 1, 2
        """),
        {"tables": [table.oid for table in tables]},
    )
    found = []
    for schema, name in names.all():
        state = (await conn.exec_driver_sql(f"SELECT last_value, is_called FROM {quoted(schema)}.{quoted(name)}")).one()
        found.append(SequenceState(name=name, last_value=state.last_value, is_called=state.is_called))
    return found


async def external_ids(conn: AsyncConnection, module: str) -> list[ExternalId]:
    rows = await conn.execute(
        text("""
            SELECT id::text, xml_id, table_name, record_id::text, clinic_id::text, noupdate, to_jsonb(created_at)#>>'{}' AS created_at
            FROM core_external_id WHERE module_name = :module ORDER BY xml_id, clinic_id NULLS FIRST
        """),
        {"module": module},
    )
    return [ExternalId.model_validate(dict(row)) for row in rows.mappings()]


async def seeded_rows(conn: AsyncConnection, ids: Iterable[ExternalId], own: Iterable[Table]) -> list[SeededRow]:
    """The rows behind the external ids that stand in tables of other modules, each with its stored columns."""
    mine = {table.name for table in own}
    wanted: dict[str, list[str]] = {}
    for external in ids:
        if external.table_name not in mine:
            wanted.setdefault(external.table_name, []).append(external.record_id)
    found = []
    for table in await describe(conn, wanted):
        rows = await conn.exec_driver_sql(
            f"SELECT to_jsonb(r)::text FROM ({table.select()}) r WHERE r.id::text = ANY($1) ORDER BY r.id", (wanted[table.name],)
        )
        found += [SeededRow(table=table.name, row=row) for row in rows.scalars()]
    return found

"""A table as anybody can read it: JSON lines, CSV, and a description of its columns. All of one snapshot, streamed.

JSON lines keep every value exactly (numbers with all digits, times in UTC with their offset, bytes as `\\x…`). In CSV an absent value is
empty and an empty text is `""`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.plugins.backup.tables import Table, quoted

CORE_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "clinics": (),
    "users": ("id", "email", "full_name", "status", "is_owner", "created_at", "updated_at"),
    "memberships": (),
    "roles": (),
}
"""What of the core is data of the clinic, with the columns shown; none named means all. Secrets and books are in the dump only."""

_FORM: Final = text(
    "SELECT set_config('DateStyle', 'ISO', true), set_config('TimeZone', 'UTC', true), set_config('IntervalStyle', 'iso_8601', true), "
    "set_config('bytea_output', 'hex', true), set_config('extra_float_digits', '1', true)"
)
_COLUMNS: Final = text(
    """
    SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, NOT a.attnotnull AS nullable,
           col_description(a.attrelid, a.attnum) AS description,
           EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY(i.indkey)) AS key
    FROM pg_attribute a WHERE a.attrelid = :oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
    """
)
_REFERENCES: Final = text(
    """
    SELECT a.attname AS name, f.relname AS other, b.attname AS other_column FROM pg_constraint c
    JOIN pg_class f ON f.oid = c.confrelid
    CROSS JOIN LATERAL unnest(c.conkey, c.confkey) AS pair(here, there)
    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = pair.here
    JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = pair.there
    WHERE c.contype = 'f' AND c.conrelid = :oid ORDER BY c.conname, a.attname
    """
)
_SEPARATOR, _QUOTE = "\x02", "\x01"


@dataclass(frozen=True)
class OpenTable:
    """One table in three files."""

    name: str
    module: str
    rows: int
    schema: Mapping[str, Any]
    jsonl: Path
    csv: Path


def shown_columns(table: Table, every: Collection[str]) -> list[str]:
    """The columns of a table that are written in open formats, in the table's order."""
    wanted = CORE_COLUMNS.get(table.name, ())
    return [column for column in every if not wanted or column in wanted]


async def write_table(connection: AsyncConnection, table: Table, module: str, folder: Path) -> OpenTable:
    """Write one table's rows as the connection's snapshot has them. Files are 0600 in `folder`, which is the caller's to remove."""
    await connection.execute(_FORM)
    columns = (await connection.execute(_COLUMNS, {"oid": table.oid})).mappings().all()
    shown = shown_columns(table, [str(column["name"]) for column in columns])
    references: dict[str, list[dict[str, str]]] = {}
    for row in (await connection.execute(_REFERENCES, {"oid": table.oid})).mappings():
        references.setdefault(row["name"], []).append({"table": row["other"], "column": row["other_column"]})
    listed = ", ".join(quoted(column) for column in shown)
    source = f"SELECT {listed} FROM ONLY {table.sql}"
    keys = [quoted(column["name"]) for column in columns if column["key"] and column["name"] in shown]
    order = f" ORDER BY {', '.join(keys)}" if keys else ""
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    jsonl, csv = (folder / f"{table.oid}.{kind}" for kind in ("jsonl", "csv"))
    for file in (jsonl, csv):
        file.touch(mode=0o600)
    # JSON text holds no control characters, so that with these two COPY neither quotes nor escapes anything.
    said = await driver.copy_from_query(
        f"SELECT to_json(r)::text FROM ({source}{order}) r", output=jsonl, format="csv", delimiter=_SEPARATOR, quote=_QUOTE
    )
    await driver.copy_from_query(f"{source}{order}", output=csv, format="csv", header=True)
    schema = {
        "table": table.name,
        "module": module,
        "rows": int(said.split()[-1]),
        "columns": [
            {
                "name": column["name"],
                "type": column["type"],
                "nullable": column["nullable"],
                "primary_key": column["key"],
                "references": references.get(column["name"], []),
                "description": column["description"],
            }
            for column in columns
            if column["name"] in shown
        ],
        "left_out": [column["name"] for column in columns if column["name"] not in shown],
    }
    return OpenTable(table.name, module, int(said.split()[-1]), schema, jsonl, csv)

"""Who still uses a module's rows: checked when an uninstall is asked for and again before it begins, so that nothing is half-done."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from .models import core_external_id

_KEYS: Final = sa.text("""
    SELECT k.conname AS name, f.relname AS referencing, t.relname AS referenced, quote_ident(f.relname) AS referencing_sql,
           f.relrowsecurity AS secured,
           array_agg(quote_ident(fa.attname) ORDER BY p.position) AS columns,
           array_agg(quote_ident(ta.attname) ORDER BY p.position) AS targets
    FROM pg_constraint k
    JOIN pg_class f ON f.oid = k.conrelid JOIN pg_class t ON t.oid = k.confrelid
    CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY AS p(own, target, position)
    JOIN pg_attribute fa ON fa.attrelid = f.oid AND fa.attnum = p.own
    JOIN pg_attribute ta ON ta.attrelid = t.oid AND ta.attnum = p.target
    WHERE k.contype = 'f' AND t.relname = ANY(:tables) AND t.relnamespace = current_schema()::regnamespace
    GROUP BY k.conname, f.relname, f.relrowsecurity, t.relname ORDER BY f.relname, k.conname
""")
_OUTGOING: Final = sa.text("""
    SELECT DISTINCT f.relname AS referencing, t.relname AS referenced
    FROM pg_constraint k JOIN pg_class f ON f.oid = k.conrelid JOIN pg_class t ON t.oid = k.confrelid
    WHERE k.contype = 'f' AND f.relname = ANY(:tables) AND f.relnamespace = current_schema()::regnamespace ORDER BY 1, 2
""")
LISTED: Final = 10


@dataclass(frozen=True, slots=True)
class _Key:
    referencing: str
    referenced: str
    referencing_sql: str
    secured: bool
    columns: tuple[str, ...]
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """Rows of one table that point at one table of a module that goes."""

    table: str
    owner: str
    target: str
    columns: tuple[str, ...]
    secured: bool
    """Whether row-level security hides rows of other clinics."""
    rows: int

    def __str__(self) -> str:
        return f"{self.rows} rows of {self.table} ({self.owner}) point at {self.target} by {', '.join(self.columns)}"


async def still_referenced(
    executor: AsyncConnection | AsyncSession, module: str, owners: Mapping[str, str], leaving: Iterable[str] = ()
) -> list[str]:
    """What keeps `module` from going, in words; see `references_to`."""
    return [str(found) for found in await references_to(executor, module, owners, leaving)][:LISTED]


def merged(found: Iterable[Reference]) -> list[str]:
    """What was seen clinic by clinic, as one list in words. A table that is not secured was seen whole each time."""
    together: dict[Reference, int] = {}
    for each in found:
        key = replace(each, rows=0)
        seen = together.get(key, 0)
        together[key] = seen + each.rows if each.secured else max(seen, each.rows)
    return [str(replace(key, rows=rows)) for key, rows in together.items()][:LISTED]


async def references_to(
    executor: AsyncConnection | AsyncSession, module: str, owners: Mapping[str, str], leaving: Iterable[str] = ()
) -> list[Reference]:
    """What keeps `module` from going: rows of others that point at its tables, or at rows it seeded into theirs.

    `owners` is {table: module}; tables of the modules in `leaving` go as well and do not count. Under the request role only the rows of
    the current clinic are seen.
    """
    going = {module, *leaving}
    own = {table for table, owner in owners.items() if owner == module}
    seeded: dict[str, list[UUID]] = {}
    columns = core_external_id.c
    for row in await executor.execute(sa.select(columns.table_name, columns.record_id).where(columns.module_name == module)):
        if row.table_name not in own:
            seeded.setdefault(row.table_name, []).append(row.record_id)
    found: list[Reference] = []
    for key in await _keys(executor, own | seeded.keys()):
        if owners.get(key.referencing) in going:
            continue
        ids = seeded.get(key.referenced)
        count = await _rows(executor, key, ids, seeded.get(key.referencing, []))
        # A foreign key on the module's own table keeps the table from being dropped even without rows.
        if count or ids is None:
            whose = owners.get(key.referencing, "the core")
            what = f"rows it seeded into {key.referenced}" if ids is not None else key.referenced
            found.append(Reference(key.referencing, whose, what, key.columns, key.secured, count))
    return found


async def undeclared_references(
    executor: AsyncConnection | AsyncSession, module: str, owners: Mapping[str, str], depends: Iterable[str]
) -> list[str]:
    """Foreign keys of the module's tables to those of modules it does not depend on (ADR 0001), in words."""
    allowed = {module, *depends}
    own = sorted(table for table, owner in owners.items() if owner == module)
    rows = await executor.execute(_OUTGOING, {"tables": own})
    return [
        f"{row.referencing} refers to {row.referenced} of {owners[row.referenced]}"
        for row in rows
        if row.referenced in owners and owners[row.referenced] not in allowed
    ]


async def _keys(executor: AsyncConnection | AsyncSession, tables: Iterable[str]) -> list[_Key]:
    rows = await executor.execute(_KEYS, {"tables": sorted(tables)})
    return [_Key(row.referencing, row.referenced, row.referencing_sql, row.secured, tuple(row.columns), tuple(row.targets)) for row in rows]


async def _rows(executor: AsyncConnection | AsyncSession, key: _Key, ids: list[UUID] | None, leaving: list[UUID]) -> int:
    filled = " AND ".join(f"r.{column} IS NOT NULL" for column in key.columns)
    statement = f"SELECT count(*) FROM {key.referencing_sql} r WHERE {filled}"  # noqa: S608  names are quoted by PostgreSQL
    parameters: dict[str, object] = {}
    if ids is not None:
        pairs = " AND ".join(f"t.{target} = r.{column}" for column, target in zip(key.columns, key.targets, strict=True))
        quoted = '"' + key.referenced.replace('"', '""') + '"'
        statement += f" AND EXISTS (SELECT 1 FROM {quoted} t WHERE {pairs} AND t.id = ANY(:ids))"  # noqa: S608  names are quoted
        parameters["ids"] = ids
    if leaving:
        statement += " AND NOT (r.id = ANY(:leaving))"
        parameters["leaving"] = leaving
    return int((await executor.execute(sa.text(statement), parameters)).scalar_one())

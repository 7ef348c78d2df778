"""Foreign keys and triggers around a load: put off while rows arrive in whatever order, back as they were before anything else runs."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from .errors import ReferenceLost
from .tables import Table, quoted

NAMED_ROWS = 20
"""How many rows a refusal names; it counts them all."""


@dataclass(frozen=True)
class ForeignKey:
    name: str
    table: str
    """Quoted and qualified, as `target`."""
    table_name: str
    target: str
    columns: tuple[str, ...]
    target_columns: tuple[str, ...]
    key: tuple[str, ...]
    """The primary key of the pointing table; empty if it has none."""
    definition: str
    timing: str
    """`NOT DEFERRABLE` or `DEFERRABLE INITIALLY …`, as it was declared."""

    @property
    def _constraint(self) -> str:
        return quoted(self.name)

    def deferred(self) -> str:
        return f"ALTER TABLE {self.table} ALTER CONSTRAINT {self._constraint} DEFERRABLE INITIALLY DEFERRED"

    def as_declared(self) -> str:
        return f"ALTER TABLE {self.table} ALTER CONSTRAINT {self._constraint} {self.timing}"

    def dropped(self) -> str:
        return f"ALTER TABLE {self.table} DROP CONSTRAINT {self._constraint}"

    def added(self) -> str:
        return f"ALTER TABLE {self.table} ADD CONSTRAINT {self._constraint} {self.definition}"


_FOREIGN_KEYS = """
    SELECT c.conname AS name, format('%I.%I', n.nspname, r.relname) AS table, r.relname AS table_name,
           format('%I.%I', tn.nspname, t.relname) AS target,
           (SELECT array_agg(a.attname::text ORDER BY k.i) FROM unnest(c.conkey) WITH ORDINALITY k(num, i)
              JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num) AS columns,
           (SELECT array_agg(a.attname::text ORDER BY k.i) FROM unnest(c.confkey) WITH ORDINALITY k(num, i)
              JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.num) AS target_columns,
           coalesce((SELECT array_agg(a.attname::text ORDER BY k.i) FROM pg_constraint p, unnest(p.conkey) WITH ORDINALITY k(num, i)
              JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num
              WHERE p.conrelid = c.conrelid AND p.contype = 'p'), '{}') AS key,
           pg_get_constraintdef(c.oid) AS definition,
           CASE WHEN c.condeferred THEN 'DEFERRABLE INITIALLY DEFERRED' WHEN c.condeferrable THEN 'DEFERRABLE INITIALLY IMMEDIATE'
                ELSE 'NOT DEFERRABLE' END AS timing
    FROM pg_constraint c
    JOIN pg_class r ON r.oid = c.conrelid JOIN pg_namespace n ON n.oid = r.relnamespace
    JOIN pg_class t ON t.oid = c.confrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace
    WHERE c.contype = 'f' AND c.conparentid = 0 AND coalesce(to_jsonb(c)->>'conenforced', 'true') = 'true'
"""


async def own_keys(conn: AsyncConnection, tables: Iterable[Table]) -> list[ForeignKey]:
    """The foreign keys of these tables, whatever they point at."""
    return await _read(conn, _FOREIGN_KEYS + " AND c.conrelid = ANY(:own) ORDER BY 2, 1", tables)


async def incoming_keys(conn: AsyncConnection, tables: Iterable[Table]) -> list[ForeignKey]:
    """The foreign keys of other tables that point at these."""
    return await _read(conn, _FOREIGN_KEYS + " AND c.confrelid = ANY(:own) AND c.conrelid <> ALL(:own) ORDER BY 2, 1", tables)


async def _read(conn: AsyncConnection, query: str, tables: Iterable[Table]) -> list[ForeignKey]:
    rows = await conn.execute(text(query), {"own": [table.oid for table in tables]})
    return [
        ForeignKey(
            name=row.name,
            table=row.table,
            table_name=row.table_name,
            target=row.target,
            columns=tuple(row.columns),
            target_columns=tuple(row.target_columns),
            key=tuple(row.key),
            definition=row.definition,
            timing=row.timing,
        )
        for row in rows
    ]


async def execute(conn: AsyncConnection, statements: Iterable[str]) -> None:
    for statement in statements:
        await conn.exec_driver_sql(statement)


async def check_references(conn: AsyncConnection, keys: Collection[ForeignKey]) -> None:
    """Raises ReferenceLost, naming the rows of any of `keys` whose target is not there."""
    named: list[str] = []
    total = 0
    for key in keys:
        given = " AND ".join(f"r.{quoted(column)} IS NOT NULL" for column in key.columns)
        pairs = zip(key.columns, key.target_columns, strict=True)
        same = " AND ".join(f"t.{quoted(target)} = r.{quoted(column)}" for column, target in pairs)
        shown = ", ".join(f"r.{quoted(column)}::text" for column in (*key.columns, *key.key))
        rows = await conn.exec_driver_sql(
            f"SELECT count(*) OVER (), {shown} FROM {key.table} r WHERE {given} AND NOT EXISTS (SELECT 1 FROM {key.target} t WHERE {same})"
            f" ORDER BY {', '.join(str(index + 2) for index in range(len(key.columns) + len(key.key)))} LIMIT {NAMED_ROWS}"
        )
        lost = rows.all()
        if lost:
            total += lost[0][0]
            named += [_name(key, row[1:]) for row in lost]
    if named:
        raise ReferenceLost(named[:NAMED_ROWS], total)


def _name(key: ForeignKey, values: Sequence[str]) -> str:
    points = ", ".join(f"{key.table_name}.{column}={value}" for column, value in zip(key.columns, values, strict=False))
    row = ", ".join(values[len(key.columns) :])
    return f"{points} of row {row}" if row else points


@dataclass(frozen=True)
class Trigger:
    table: str
    name: str
    mode: str

    def disabled(self) -> str:
        return f"ALTER TABLE {self.table} DISABLE TRIGGER {quoted(self.name)}"

    def enabled(self) -> str:
        how = {"A": "ENABLE ALWAYS TRIGGER", "R": "ENABLE REPLICA TRIGGER"}.get(self.mode, "ENABLE TRIGGER")
        return f"ALTER TABLE {self.table} {how} {quoted(self.name)}"


async def triggers(conn: AsyncConnection, tables: Iterable[Table]) -> list[Trigger]:
    """The module's own triggers: what they did is in the dumped rows already, and a guard against changes must not stop the load."""
    rows = await conn.execute(
        text("""
            SELECT format('%I.%I', n.nspname, r.relname) AS table, t.tgname AS name, t.tgenabled::text AS mode
            FROM pg_trigger t JOIN pg_class r ON r.oid = t.tgrelid JOIN pg_namespace n ON n.oid = r.relnamespace
            WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgparentid = 0 AND t.tgrelid = ANY(:own) ORDER BY 1, 2
        """),
        {"own": [table.oid for table in tables]},
    )
    return [Trigger(**row) for row in rows.mappings().all()]

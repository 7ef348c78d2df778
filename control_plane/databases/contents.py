"""What a tenant's database holds, so that a copy of it can be compared: rows and an order-independent hash per table, and migrations.

All of it is computed by the server; no row leaves it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

SETTINGS: Final = {
    # What a row looks like as text must not depend on who asks.
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "search_path": "public",
}
_TABLES: Final = """
    SELECT format('%I.%I', n.nspname, c.relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence = 'p'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'e')
    ORDER BY 1
"""
# Two halves of each row's MD5, summed: the same for the same rows in any order, and a doubled row counts twice.
_HASH: Final = """
    SELECT count(*),
           coalesce(sum(('x' || left(digest, 16))::bit(64)::bigint::numeric), 0),
           coalesce(sum(('x' || right(digest, 16))::bit(64)::bigint::numeric), 0)
    FROM (SELECT md5(dentalpin_row::text) AS digest FROM {table} AS dentalpin_row) AS digests
"""
_HAS_HEADS: Final = "SELECT to_regclass('public.alembic_version') IS NOT NULL"
_HEADS: Final = "SELECT version_num FROM public.alembic_version ORDER BY version_num"

_HAS_MODULES: Final = "SELECT to_regclass('public.core_module') IS NOT NULL"
_VERSIONS: Final = "SELECT name, version FROM public.core_module WHERE version IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Contents:
    """`tables` is (rows, hash) by qualified name; `heads` are the migrations applied last."""

    tables: Mapping[str, tuple[int, str]]
    heads: tuple[str, ...]
    server: str = field(default="")
    """PostgreSQL's version, for a person: it is not compared."""

    @property
    def rows(self) -> int:
        return sum(rows for rows, _ in self.tables.values())

    def differences(self, found: "Contents") -> list[str]:
        """How `found` differs from this, in sentences; empty where it is the same."""
        said = [f"table {name} is missing" for name in sorted(self.tables.keys() - found.tables.keys())]
        said += [f"table {name} was not there" for name in sorted(found.tables.keys() - self.tables.keys())]
        for name in sorted(self.tables.keys() & found.tables.keys()):
            (rows, digest), (rows_found, digest_found) = self.tables[name], found.tables[name]
            if rows != rows_found:
                said.append(f"table {name} has {rows_found} rows instead of {rows}")
            elif digest != digest_found:
                said.append(f"table {name} has other rows than it had")
        if self.heads != found.heads:
            said.append(f"its migrations are {', '.join(found.heads) or 'none'} instead of {', '.join(self.heads) or 'none'}")
        return said

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "tables": {name: list(counted) for name, counted in self.tables.items()}, "heads": list(self.heads)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        tables = {name: (int(rows), str(digest)) for name, (rows, digest) in stored["tables"].items()}
        return cls(tables, tuple(stored["heads"]), stored.get("server", ""))


async def contents_of(connection: Any) -> Contents:
    """What this database holds, as of the connection's transaction (asyncpg, as the owner of the tables)."""
    for name, value in SETTINGS.items():
        await connection.execute("SELECT set_config($1, $2, true)", name, value)
    tables: dict[str, tuple[int, str]] = {}
    for row in await connection.fetch(_TABLES):
        rows, left, right = await connection.fetchrow(_HASH.format(table=row[0]))
        tables[row[0]] = (rows, f"{left}:{right}")
    heads = [row[0] for row in await connection.fetch(_HEADS)] if await connection.fetchval(_HAS_HEADS) else []
    version = connection.get_server_version()
    return Contents(tables, tuple(heads), f"{version.major}.{version.minor}")


async def schema_of(connection: Any) -> list[str]:
    """Which migrations were applied last and which version each module is at: the same as long as no release changed anything."""
    heads = [row[0] for row in await connection.fetch(_HEADS)] if await connection.fetchval(_HAS_HEADS) else []
    modules = await connection.fetch(_VERSIONS) if await connection.fetchval(_HAS_MODULES) else []
    return sorted([*heads, *(f"{name} {version}" for name, version in modules)])

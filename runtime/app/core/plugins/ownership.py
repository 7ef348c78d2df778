"""Whose table is whose: recorded from the catalogue's difference at migrate, not from what a module says about itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from .errors import ForeignTableTouched
from .migrations import changed_tables
from .models import core_table_owner

_KINDS: Final = sa.text("""
    SELECT quote_ident(relname) AS name, CASE WHEN relkind IN ('v', 'm') THEN relkind::text ELSE 'r' END AS kind FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'f', 'v', 'm') AND relname = ANY(:names) ORDER BY relname
""")


@dataclass(frozen=True, slots=True)
class Ownership:
    """One module's tables around one run of its migrations. `owners` is {table: module} as recorded before it."""

    module: str
    owners: Mapping[str, str]

    @property
    def own(self) -> set[str]:
        return {table for table, owner in self.owners.items() if owner == self.module}

    def refuse_foreign(self, before: Mapping[str, str], after: Mapping[str, str]) -> None:
        """Raise ForeignTableTouched if a table that was there and is not the module's went away or has other columns."""
        touched = changed_tables(dict(before), dict(after), self.own)
        if touched:
            raise ForeignTableTouched(self.module, touched)

    def tables(self, created: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
        """The module's tables and views that exist now."""
        return sorted((self.own | created.keys()) & after.keys())

    async def drop_leftovers(self, connection: AsyncConnection, after: Mapping[str, str]) -> list[str]:
        """Drop what a downgrade left behind: the rows are in the backup, and uninstalled means gone."""
        left = sorted(self.own & after.keys())
        if left:
            kinds = (await connection.execute(_KINDS, {"names": left})).all()
            for kind, keyword in (("v", "VIEW"), ("m", "MATERIALIZED VIEW"), ("r", "TABLE")):
                names = ", ".join(row.name for row in kinds if row.kind == kind)
                if names:
                    await connection.exec_driver_sql(f"DROP {keyword} {names}")
        return left

    def record(self, connection: sa.Connection, created: Mapping[str, str], after: Mapping[str, str]) -> None:
        """Write down what the run made (table → revision), and forget what it dropped."""
        gone = self.own - after.keys()
        if gone:
            connection.execute(sa.delete(core_table_owner).where(core_table_owner.c.table_name.in_(gone)))
        rows = [{"table_name": table, "module_name": self.module, "revision": revision} for table, revision in created.items()]
        if rows:
            statement = insert(core_table_owner)
            replaced = {"module_name": statement.excluded.module_name, "revision": statement.excluded.revision}
            connection.execute(statement.on_conflict_do_update(index_elements=["table_name"], set_=replaced), rows)


def recorded_owners(connection: sa.Connection) -> dict[str, str]:
    """{table: module} as recorded; empty before the core's first migration."""
    if not sa.inspect(connection).has_table(core_table_owner.name):
        return {}
    rows = connection.execute(sa.select(core_table_owner.c.table_name, core_table_owner.c.module_name))
    return {row.table_name: row.module_name for row in rows}

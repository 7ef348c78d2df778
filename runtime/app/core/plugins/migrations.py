"""Running revisions in-process, on the processor's own connection and inside its transaction. No subprocess, no second engine.

Functions here are synchronous: they run inside `AsyncConnection.run_sync`.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext, RevisionStep

from .revisions import OwnedRevision, RevisionBook

_HEADS = sa.text("SELECT version_num FROM alembic_version")
_HAS_VERSIONS = sa.text("SELECT to_regclass('alembic_version') IS NOT NULL")
# Tables and views of the working schema with a digest of their columns.
_CATALOGUE = sa.text("""
    SELECT c.relname AS name,
           md5(coalesce(
             string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull, ',' ORDER BY a.attnum), ''
           )) AS columns
    FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'f', 'v', 'm') AND c.relname <> 'alembic_version'
    GROUP BY c.relname
""")
_TABLES = sa.text("""
    SELECT relname FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'f', 'v', 'm') AND relname <> 'alembic_version'
""")


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a run did: the tables it made, with the revision that made each."""

    revisions: tuple[str, ...]
    created: dict[str, str]


def current_heads(connection: sa.Connection) -> tuple[str, ...]:
    """Rows of `alembic_version`, empty before the first migration."""
    if not connection.execute(_HAS_VERSIONS).scalar_one():
        return ()
    return tuple(connection.execute(_HEADS).scalars())


def catalogue(connection: sa.Connection) -> dict[str, str]:
    """Every table and view with a digest of its columns."""
    return {row.name: row.columns for row in connection.execute(_CATALOGUE)}


def changed_tables(before: dict[str, str], after: dict[str, str], except_for: Iterable[str]) -> list[str]:
    """Tables that were there before and are gone or have other columns."""
    return sorted(table for table in before.keys() - set(except_for) if after.get(table) != before[table])


def run(
    connection: sa.Connection,
    book: RevisionBook,
    plan: Sequence[OwnedRevision],
    *,
    upgrade: bool = True,
    present: Collection[str] | None = None,
) -> Migrated:
    """Run exactly the revisions of `plan`, in its order, and keep `alembic_version` by Alembic's own rules.

    `present` are the tables and views there are, if the caller has just looked. Opens and commits nothing: the transaction is the caller's.
    """
    created: dict[str, str] = {}
    tables = _tables(connection) if present is None else set(present)

    def record(*, step: Any, **_: object) -> None:
        nonlocal tables
        found = _tables(connection)
        created.update(dict.fromkeys(found - tables, step.up_revision_id))
        tables = found

    assert book.scripts.revision_map.heads, "reading the heads resolves the map, which the steps rely on"
    steps = [RevisionStep(book.scripts.revision_map, revision.script, upgrade) for revision in plan if revision.script is not None]
    context = MigrationContext.configure(
        connection,
        opts={"fn": lambda heads, migration: steps, "script": book.scripts, "on_version_apply": (record,), "target_metadata": None},
    )
    with Operations.context(context):
        context.run_migrations()
    return Migrated(
        tuple(revision.revision for revision in plan), {table: revision for table, revision in created.items() if table in tables}
    )


def _tables(connection: sa.Connection) -> set[str]:
    return set(connection.execute(_TABLES).scalars())

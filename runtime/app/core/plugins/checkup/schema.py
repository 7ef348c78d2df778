"""The tables as they are, against what the code says they are and against the list of who owns them.

Alembic's comparison is used as for `alembic revision --autogenerate`, on the tables of one owner after the other.
"""

import importlib
import importlib.util
import pkgutil
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

import app.core
from app.core.isolation import CORE_EXEMPT
from app.core.plugins.models import ModuleRecord
from app.core.plugins.models import metadata as books_metadata
from app.core.plugins.states import HAS_SCHEMA, State
from app.database import Base

from .finding import Finding, error, warning

CORE: Final = "core"
_TABLES: Final = sa.text("""
    SELECT c.relname AS name, c.relispartition AS part FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY c.relname
""")
_OWNERS: Final = sa.text("SELECT table_name, module_name FROM core_table_owner ORDER BY table_name")
_ASKED_FOR: Final = frozenset({"add_table", "add_column"})
"""What the code reads and the database has not."""
_HARMLESS: Final = frozenset({"remove_table", "remove_index", "remove_constraint", "remove_fk", "add_table_comment", "modify_comment"})
"""What the database has beyond the models: migrations say more than mapped classes have to."""


def ownership(connection: sa.Connection, records: Mapping[str, ModuleRecord]) -> Iterator[Finding]:
    """Tables that nobody owns, that are gone, or that a module left behind."""
    present = {row.name: row.part for row in connection.execute(_TABLES)}
    owners = {row.table_name: row.module_name for row in connection.execute(_OWNERS)}
    for table, part in present.items():
        if table not in owners and table not in CORE_EXEMPT and not part:
            yield warning("TABLE_WITHOUT_OWNER", "", f"{table} belongs neither to the core nor to a module: no uninstall takes it away")
    for table, module in owners.items():
        record = records.get(module)
        begun = record is not None and record.state is State.TO_INSTALL and record.attempts > 0
        if record is None or (record.state not in HAS_SCHEMA and not begun):
            yield error("TABLE_LEFT_BEHIND", module, f"{table} is there although {module} is not installed")
        elif table not in present:
            yield error("TABLE_MISSING", module, f"{table} of {module} is gone: bring it back from a backup")


def drift(connection: sa.Connection, models: Mapping[str, Iterable[type[Any]]]) -> Iterator[Finding]:
    """Where the tables of the core and of these modules are not as their models say."""
    _import_core_models()
    module_tables = {name: {str(model.__table__.name) for model in mapped} for name, mapped in models.items()}
    yield from _compare(connection, CORE, Base.metadata, set(Base.metadata.tables) & CORE_EXEMPT.keys())
    yield from _compare(connection, CORE, books_metadata, set(books_metadata.tables))
    for name, tables in sorted(module_tables.items()):
        yield from _compare(connection, name, Base.metadata, tables)


def _import_core_models() -> None:
    for package in pkgutil.iter_modules(app.core.__path__):
        if package.ispkg and importlib.util.find_spec(f"app.core.{package.name}.models") is not None:
            importlib.import_module(f"app.core.{package.name}.models")


def _compare(connection: sa.Connection, owner: str, metadata: sa.MetaData, tables: set[str]) -> Iterator[Finding]:
    if not tables:
        return

    def wanted(name: str | None, kind: str, *_: Any) -> bool:
        return kind != "table" or name in tables

    def included(item: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
        return kind != "table" or name in tables

    options = {"compare_type": True, "include_name": wanted, "include_object": included, "target_metadata": metadata}
    context = MigrationContext.configure(connection, opts=options)
    with warnings.catch_warnings():
        # Indexes on expressions cannot be compared; that is no finding.
        warnings.simplefilter("ignore", sa.exc.SAWarning)
        differences = compare_metadata(context, metadata)
    for difference in _flat(differences):
        kind, what = difference[0], _named(difference)
        if kind in _HARMLESS or (kind == "remove_column" and owner == CORE and _may_be_left_out(difference[3])):
            continue
        if kind in _ASKED_FOR:
            yield error("SCHEMA_DRIFT", owner, f"the models of {owner} have {what}, the database does not: a migration is missing")
        else:
            yield warning("SCHEMA_DRIFT", owner, f"{what} is not as the models of {owner} say ({kind.replace('_', ' ')})")


def _flat(differences: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    for difference in differences:
        if isinstance(difference, list):
            yield from difference
        else:
            yield difference


def _may_be_left_out(column: "sa.Column[Any]") -> bool:
    """Whether a row can be written without the column: the core's models map what they use."""
    return bool(column.nullable) or column.server_default is not None


def _named(difference: tuple[Any, ...]) -> str:
    """`patients.email`, `the index ix_patients_name` …, whatever kind of difference it is."""
    kind, *rest = difference
    if kind.endswith("_table"):
        return f"the table {rest[0].name}"
    if kind.endswith("_column"):
        return f"{rest[1]}.{rest[2].name}"
    if kind.startswith("modify_"):
        return f"{rest[1]}.{rest[2]}"
    item = rest[0]
    table = getattr(getattr(item, "table", None), "name", None) or getattr(getattr(item, "parent", None), "name", "")
    return f"{type(item).__name__} {item.name or ''} of {table}".replace("  ", " ")

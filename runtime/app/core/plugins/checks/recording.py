"""A module's own migrations, run without a database: what each would send to PostgreSQL, as SQL.

The files themselves run, with Alembic's operations, against a connection that answers every query with nothing. So what counts is what
a migration does, not how it is written.
"""

import ast
import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.engine.mock import MockConnection

from app.core.plugins.revisions import OwnedRevision

from .sql import Touched, scan

_DIALECT: Final[Dialect] = sa.create_mock_engine("postgresql+asyncpg://", lambda *_, **__: None).dialect


@dataclass(slots=True)
class Recorded:
    """One revision's statements. With an `error` it could not be run to its end; its strings were read instead."""

    revision: str
    up: Touched = field(default_factory=Touched)
    down: Touched = field(default_factory=Touched)
    error: str | None = None


def record(revision: OwnedRevision) -> Recorded:
    """Run a revision up and down without a database. Never raises for what the migration does."""
    recorded = Recorded(revision.revision)
    if revision.script is None:
        return recorded
    for direction, name in (("up", "upgrade"), ("down", "downgrade")):
        function = getattr(revision.script.module, name, None)
        if function is None:
            continue
        statements: list[str] = []
        try:
            with _offline(statements):
                function()
        except Exception as error:
            # A migration may need rows or a catalogue that are not there, in as many ways as there are migrations.
            recorded.error = f"{name}() answers {type(error).__name__}: {error}"
            statements += _strings(Path(revision.script.path), name)
        setattr(recorded, direction, scan(";\n".join(statements)))
    return recorded


def record_all(revisions: Sequence[OwnedRevision]) -> list[Recorded]:
    """The revisions of one owner, in their order."""
    return [record(revision) for revision in revisions]


@dataclass(frozen=True, slots=True)
class _Nothing:
    """The result of every query: no rows."""

    rowcount: int = 0
    returns_rows: bool = True

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def fetchall(self) -> list[Any]:
        return []

    def all(self) -> list[Any]:
        return []

    def fetchmany(self, size: int | None = None) -> list[Any]:
        return []

    def first(self) -> None:
        return None

    fetchone = one_or_none = scalar_one_or_none = scalar = first

    def scalars(self) -> "_Nothing":
        return self

    mappings = unique = scalars

    def close(self) -> None: ...


class _Recorder(MockConnection):
    """A connection that writes down what it is asked to execute."""

    def __init__(self, statements: list[str]) -> None:
        super().__init__(_DIALECT, lambda *_: None)
        self._statements = statements

    def execute(self, obj: Any, parameters: Any = None, execution_options: Any = None) -> Any:
        self._statements.append(obj if isinstance(obj, str) else str(obj.compile(dialect=_DIALECT)))
        return _Nothing()

    def exec_driver_sql(self, statement: str, parameters: Any = None, execution_options: Any = None) -> Any:
        return self.execute(statement)

    def scalar(self, statement: Any, parameters: Any = None, **_: Any) -> None:
        self.execute(statement)

    def scalars(self, statement: Any, parameters: Any = None, **_: Any) -> Any:
        return self.execute(statement)

    def in_transaction(self) -> bool:
        return True

    @contextmanager
    def begin_nested(self) -> Iterator["_Recorder"]:
        yield self

    begin = begin_nested

    def commit(self) -> None: ...


class _Statements(io.StringIO):
    """What Alembic writes instead of executing it."""

    def __init__(self, statements: list[str]) -> None:
        super().__init__()
        self._statements = statements

    def write(self, text: str) -> int:
        self._statements.append(text)
        return len(text)


@contextmanager
def _offline(statements: list[str]) -> Iterator[None]:
    quiet = logging.getLogger("alembic.runtime.migration")
    level, quiet.level = quiet.level, logging.WARNING
    try:
        context = MigrationContext.configure(
            dialect_name="postgresql", opts={"as_sql": True, "output_buffer": _Statements(statements), "target_metadata": sa.MetaData()}
        )
        recorder: Any = _Recorder(statements)
        context.connection = recorder
        context.impl.connection = recorder
        with Operations.context(context):
            yield
    finally:
        quiet.level = level


def _strings(path: Path, function: str) -> list[str]:
    """Every text a function of a file may execute, and the tables it names to Alembic: a stand-in for running it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    other = {"upgrade": "downgrade", "downgrade": "upgrade"}[function]
    texts: list[str] = []
    for part in tree.body:
        if isinstance(part, ast.FunctionDef) and part.name == other:
            continue
        for node in ast.walk(part):
            match node:
                case ast.Constant(value=str(text)):
                    texts.append(text)
                case ast.Call(
                    func=ast.Attribute(attr="ForeignKey") | ast.Name(id="ForeignKey"), args=[ast.Constant(value=str(target)), *_]
                ):
                    texts.append(f"REFERENCES {target.rpartition('.')[0]}")
                case ast.Call(func=ast.Attribute(attr="create_table"), args=[ast.Constant(value=str(table)), *_]):
                    texts.append(f"CREATE TABLE {table} ()")
                case ast.Call(func=ast.Attribute(attr="create_foreign_key"), args=[_, _, ast.Constant(value=str(target)), *_]):
                    texts.append(f"REFERENCES {target}")
                case ast.Call(
                    func=ast.Attribute(attr="add_column" | "drop_column" | "alter_column"), args=[ast.Constant(value=str(table)), *_]
                ):
                    texts.append(f"ALTER TABLE {table} x")
                case ast.Call(func=ast.Attribute(attr="drop_table"), args=[ast.Constant(value=str(table)), *_]):
                    texts.append(f"DROP TABLE {table}")
    return texts

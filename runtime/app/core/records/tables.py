"""Which tables a person may take along, and a row of them in words. Pure; made from what modules say of themselves.

A table is shown to whoever may read everything of its module. One without a `clinic_id` belongs to no clinic, and is in the archive only.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Column, LargeBinary, Table

from app.core.plugins.registry import ModuleRegistry, MountedModule

CLINIC: Final = "clinic_id"
_READING: Final = ".read"
_LABELS: Final = (("last_name", "first_name"), ("full_name",), ("name",), ("title",), ("number",))
"""The columns people know a record by, the best first."""
_FORMULA: Final = tuple("=+-@\t\r")


@dataclass(frozen=True)
class RecordTable:
    module: str
    title: str
    """Of the module."""
    table: Table

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def columns(self) -> tuple[Column[Any], ...]:
        """What is shown: not the clinic, which is the reader's own, no bytes, which nobody reads, and nothing made of other columns."""
        told = (one for one in self.table.columns if one.name != CLINIC and one.computed is None)
        return tuple(one for one in told if not isinstance(one.type, LargeBinary))

    def target(self, column: Column[Any]) -> Table | None:
        """The table a column points into."""
        return next((each.column.table for each in column.foreign_keys if each.column.name != CLINIC), None)


def tables_for(registry: ModuleRegistry, permissions: Collection[str], *, owner: bool) -> list[RecordTable]:
    """By module, in the order of their dependencies; those of modules that are switched off are the owner's to read."""
    found = []
    for module in registry.mounted:
        if not owner and not _may_read_all(module, permissions):
            continue
        title = module.manifest.title or readable(module.name)
        tables = (model.__table__ for model in module.module.get_models())
        found += [RecordTable(module.name, title, table) for table in tables if isinstance(table, Table) and CLINIC in table.columns]
    return found


def _may_read_all(module: MountedModule, permissions: Collection[str]) -> bool:
    reading = {each for each in module.permissions if each.endswith(_READING)} or module.permissions
    return bool(reading) and reading.issubset(permissions)


def label_columns(table: Table) -> tuple[Column[Any], ...]:
    """By which people know a row of a table; none where it has nothing of the sort."""
    return next((tuple(table.columns[name] for name in names) for names in _LABELS if set(names) <= set(table.columns.keys())), ())


def readable(name: str) -> str:
    """A heading from a column's or a table's name."""
    return name.replace("_", " ").capitalize()


def in_words(value: Any, zone: ZoneInfo, yes_no: tuple[str, str]) -> str:
    """A value as a person reads it, times in the clinic's own zone."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return yes_no[0] if value else yes_no[1]
    if isinstance(value, datetime):
        return f"{value.astimezone(zone):%Y-%m-%d %H:%M}"
    if isinstance(value, dict):
        return "; ".join(f"{readable(str(name))}: {in_words(each, zone, yes_no)}" for name, each in value.items())
    if isinstance(value, list):
        return "; ".join(in_words(each, zone, yes_no) for each in value)
    return as_text(value)


def as_text(value: Any) -> str:
    """A value without loss, as it stands in a file."""
    if value is None:
        return ""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def for_spreadsheets(words: Iterable[str]) -> list[str]:
    """A text that a spreadsheet would take for a formula is quoted by an apostrophe: patients write texts too."""
    return [f"'{word}" if word.startswith(_FORMULA) and not _is_number(word) else word for word in words]


def _is_number(word: str) -> bool:
    return word[1:].replace(".", "", 1).isdigit()

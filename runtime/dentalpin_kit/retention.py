"""How long the rows of a table are kept, as a value: each side has one list of all its tables, and a test that no table is missing."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Kept:
    """`how_long` in words; `condition` is SQL that is true of rows whose time is over, None where nothing clears them by itself."""

    table: str
    owner: str
    """The package that owns the table."""
    how_long: str
    why: str
    condition: str | None = None
    cleared_by: str | None = None
    """Who clears it, where that is not the housekeeping of this list."""


def older_than(column: str, age: timedelta) -> str:
    return f"{column} < now() - interval '{int(age.total_seconds())} seconds'"


def table_of(kept: tuple[Kept, ...]) -> str:
    """The list as a table in Markdown."""
    rows = [f"| `{each.table}` | `{each.owner}` | {each.how_long} | {each.why} |\n" for each in sorted(kept, key=lambda each: each.table)]
    return "| table | owner | kept | why |\n|---|---|---|---|\n" + "".join(rows)

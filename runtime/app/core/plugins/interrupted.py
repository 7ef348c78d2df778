"""What a revision outside any transaction (`transaction = "none"`) left behind when its process died.

Such a revision is committed statement by statement, so a table of it may exist before anybody wrote down whose it is, and without the
policies that keep clinics apart. Before one runs, the tables that are there are noted; if the note is still there when the module's turn
comes again, whatever came since then and belongs to nobody is the module's.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

_KEY: Final = "interrupted_revision:"
_NOTE: Final = sa.text("""
    INSERT INTO core_setting (key, value) VALUES (:key, CAST(:value AS jsonb))
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now()
""")
_READ: Final = sa.text("SELECT value FROM core_setting WHERE key = :key")
_FORGET: Final = sa.text("DELETE FROM core_setting WHERE key = :key")


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A revision that was begun and, as long as this is noted, not ended."""

    revision: str
    tables: frozenset[str]
    """The tables and views that were there before it."""


async def note(connection: AsyncConnection, module: str, revision: str, tables: Iterable[str]) -> None:
    value = json.dumps({"revision": revision, "tables": sorted(tables)})
    await connection.execute(_NOTE, {"key": f"{_KEY}{module}", "value": value})


async def noted(connection: AsyncConnection, module: str) -> Interrupted | None:
    value = (await connection.execute(_READ, {"key": f"{_KEY}{module}"})).scalar_one_or_none()
    return None if value is None else Interrupted(value["revision"], frozenset(value["tables"]))


async def forget(connection: AsyncConnection, module: str) -> None:
    await connection.execute(_FORGET, {"key": f"{_KEY}{module}"})

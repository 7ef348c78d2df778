"""Reading the rows of a table for the clinic that was chosen: by a filter of our own, and by the database's policies besides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Table, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from .tables import CLINIC, RecordTable, label_columns


@dataclass(frozen=True)
class Part:
    """Some rows of a table, in the order they were written, and how many there are together."""

    rows: Sequence[Sequence[Any]]
    total: int
    part: int
    parts: int


async def count(session: AsyncSession, table: RecordTable, clinic_id: UUID) -> int:
    return await session.scalar(select(func.count()).select_from(table.table).where(table.table.columns[CLINIC] == clinic_id)) or 0


async def read(session: AsyncSession, table: RecordTable, clinic_id: UUID, *, part: int, size: int) -> Part:
    """The rows of a part, the first of which is 1."""
    total = await count(session, table, clinic_id)
    columns = table.table.columns
    order = [columns["created_at"]] if "created_at" in columns else []
    query = select(*table.columns).where(columns[CLINIC] == clinic_id).order_by(*order, *table.table.primary_key.columns)
    rows = (await session.execute(query.limit(size).offset((part - 1) * size))).all()
    return Part([tuple(row) for row in rows], total, part, max(1, -(-total // size)))


async def labels(session: AsyncSession, table: RecordTable, rows: Sequence[Sequence[Any]]) -> Mapping[int, Mapping[Any, str]]:
    """By the place of the column: identifier → what people call the record it points at."""
    found: dict[int, Mapping[Any, str]] = {}
    for place, column in enumerate(table.columns):
        target = table.target(column)
        if target is not None and (ids := {row[place] for row in rows} - {None}):
            found[place] = await _labels_of(session, target, ids)
    return found


async def _labels_of(session: AsyncSession, target: Table, ids: set[Any]) -> dict[Any, str]:
    named, own = label_columns(target), target.columns.get("id")
    if not named or own is None:
        return {}
    rows = await session.execute(select(own, *named).where(own.in_(ids)))
    return {row[0]: " ".join(str(word) for word in row[1:] if word is not None) for row in rows}

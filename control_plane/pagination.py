"""Lists in pages: a cursor that holds the sort key of the last item shown, so that a page is found by an index however far in it lies, and
items added or removed meanwhile shift nothing.

A cursor is opaque to callers; a made-up one is refused, and cannot reach anything the list itself does not show.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any, ClassVar, Final, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from sqlalchemy import Select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from control_plane.errors import Invalid

Item = TypeVar("Item")
Column = InstrumentedAttribute[Any]
LONGEST: Final = 200
_PARSERS: Final[dict[type, Callable[[Any], Any]]] = {
    UUID: UUID,
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
}


class BadCursor(Invalid):
    code: ClassVar[str] = "cursor_invalid"

    def __init__(self) -> None:
        super().__init__("`after` is not a cursor of this list. Pass the `next` of the page before, or leave it out for the first page.")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which page is asked for."""

    after: str | None
    limit: int


async def _wanted(
    after: Annotated[str | None, Query(max_length=500, description="The `next` of the page before; left out for the first page.")] = None,
    limit: Annotated[int, Query(ge=1, le=LONGEST, description="The most items to answer.")] = 50,
) -> Wanted:
    return Wanted(after, limit)


WantedPage = Annotated[Wanted, Depends(_wanted)]
"""The parameter of an endpoint that answers pages."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    items: Sequence[Item]
    next: str | None
    """The cursor of the following page; None on the last."""


async def page(session: AsyncSession, query: Select[Item], *by: Column, wanted: Wanted, descending: bool = False) -> Page[Item]:
    """The wanted page of `query`, ordered by the columns `by`, which together must be unique and never null. Raises BadCursor."""
    if wanted.after is not None:
        position = _decode(wanted.after, by)
        query = query.where(tuple_(*by) < tuple_(*position) if descending else tuple_(*by) > tuple_(*position))
    ordered = query.order_by(*(column.desc() if descending else column.asc() for column in by)).limit(wanted.limit + 1)
    found = list(await session.scalars(ordered))
    items = found[: wanted.limit]
    following = _encode([getattr(items[-1], column.key) for column in by]) if len(found) > wanted.limit else None
    return Page(items, following)


def _encode(values: Sequence[Any]) -> str:
    plain = [value.value if isinstance(value, Enum) else value if isinstance(value, str | int) else str(value) for value in values]
    return base64.urlsafe_b64encode(json.dumps(plain, separators=(",", ":")).encode()).decode().rstrip("=")


def _decode(cursor: str, by: Sequence[Column]) -> list[Any]:
    try:
        values = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if not isinstance(values, list) or len(values) != len(by):
            raise BadCursor
        return [_parse(value, column.type.python_type) for value, column in zip(values, by, strict=True)]
    except (binascii.Error, ValueError, TypeError) as error:
        raise BadCursor from error


def _parse(value: Any, kind: type) -> Any:
    if kind in _PARSERS:
        return _PARSERS[kind](value)
    if kind is int and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        return value
    if issubclass(kind, str) and isinstance(value, str) and "\0" not in value:
        return kind(value)
    raise BadCursor

"""Lost updates: an answer names the version of what it shows (`ETag`); a change that names the version it was made from (`If-Match`)
is refused with 412 where somebody was quicker.

The tag is of what people can change, not of the whole answer: a runtime that reports in must not make an operator's change fail.
"""

from collections.abc import Collection
from typing import Annotated, Any, ClassVar, Final

from fastapi import Header, Response
from pydantic_core import to_jsonable_python
from sqlalchemy import inspect

from control_plane.database import Base
from control_plane.errors import DomainError
from dentalpin_kit.canonical import canonical_json, digest_text

IfMatch = Annotated[
    str | None, Header(description="The `ETag` of the answer this change was made from; 412 where it was changed since.", max_length=2000)
]
_SHOWN: Final = 32


class Changed(DomainError):
    status: ClassVar[int] = 412
    code: ClassVar[str] = "changed_since"

    def __init__(self, what: str, tag: str) -> None:
        super().__init__(f"{what} was changed since you read it. Read it again, and send your change with its new ETag.", etag=tag)


def tag_of(row: Base, *, without: Collection[str] = ()) -> str:
    """The tag of a row by all its columns but `without`, those the platform itself writes."""
    columns = inspect(type(row)).column_attrs
    values: dict[str, Any] = {column.key: getattr(row, column.key) for column in columns if column.key not in without}
    return f'"{digest_text(canonical_json(to_jsonable_python(values))).rpartition(":")[2][:_SHOWN]}"'


def show(response: Response, tag: str) -> None:
    response.headers["ETag"] = tag


def check(if_match: str | None, tag: str, *, what: str) -> None:
    """Raises Changed where the header names other versions than `tag` (RFC 9110 § 13.1.1). Call it under the lock of what is changed."""
    if if_match is None:
        return
    named = [one.strip() for one in if_match.split(",")]
    if "*" not in named and tag not in named:
        raise Changed(what, tag)

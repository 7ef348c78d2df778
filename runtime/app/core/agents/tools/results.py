"""What a handler returns as plain JSON values, so that a result can be stored, sent to a model and outlive its transaction."""

import dataclasses
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python
from sqlalchemy import inspect
from sqlalchemy.orm import DeclarativeBase


def plain(value: Any) -> Any:
    """Rows become objects of their loaded columns; models, dataclasses, times, decimals and identifiers become JSON."""
    match value:
        case DeclarativeBase():
            # Loaded ones only: what is deferred (a password's hash) stays where it is.
            loaded = inspect(value).dict
            return {column.key: plain(loaded[column.key]) for column in inspect(type(value)).column_attrs if column.key in loaded}
        case BaseModel():
            return value.model_dump(mode="json")
        case dict():
            return {str(plain(key)): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return to_jsonable_python(value, fallback=str)

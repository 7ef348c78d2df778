"""The envelopes of every answer under `/api/v1` (guide §3). Errors have the same shape with `data` null; see `app.core.errors`."""

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from app.core.support import SHOWN

T = TypeVar("T")


class ApiResponse(BaseModel, Generic[T]):
    """One thing."""

    data: T
    message: str | None = None


class PaginatedApiResponse(BaseModel, Generic[T]):
    """One page of things: `total` counts all of them, `page` starts at 1."""

    data: list[T]
    total: Annotated[int, SHOWN]
    page: Annotated[int, SHOWN]
    page_size: Annotated[int, SHOWN]
    message: str | None = None


class ErrorItem(BaseModel):
    """`code` is stable; what else there is (`field`, `clinics` …) belongs to the code."""

    model_config = ConfigDict(extra="allow")

    code: str


class ErrorResponse(BaseModel):
    """What every refusal and failure looks like."""

    data: None = None
    message: str
    errors: list[ErrorItem]

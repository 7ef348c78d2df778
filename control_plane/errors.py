"""How refusals leave the API: flat `application/problem+json` (RFC 9457) with a stable `code` and the things it is about.

Services raise a DomainError; this is the one place where it becomes HTTP.
"""

import logging
from collections.abc import Mapping
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from control_plane.database import is_away, is_unstorable
from dentalpin_kit.problems import DomainError, TemporaryError

__all__ = ["Conflict", "DomainError", "Invalid", "NotFound", "TemporaryError", "install_handlers", "problem"]

log = logging.getLogger(__name__)
_STANDARD_MEMBERS = frozenset({"type", "title", "status", "detail", "code"})


class NotFound(DomainError):
    status: ClassVar[int] = 404
    code: ClassVar[str] = "not_found"


class Conflict(DomainError):
    status: ClassVar[int] = 409
    code: ClassVar[str] = "conflict"


class Invalid(DomainError):
    status: ClassVar[int] = 422
    code: ClassVar[str] = "invalid"


def problem(
    status: int, code: str, detail: str, context: Mapping[str, Any] | None = None, *, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """A problem document. `context` is laid beside the standard members and never replaces them."""
    members = {key: value for key, value in (context or {}).items() if key not in _STANDARD_MEMBERS}
    body = {"type": f"urn:dentalpin:problem:{code}", "title": code.replace("_", " ").capitalize(), "status": status, "detail": detail}
    return JSONResponse(
        {**body, "code": code, **members}, status_code=status, media_type="application/problem+json", headers=dict(headers or {})
    )


def install_handlers(app: FastAPI) -> None:
    """Map every error of this application to a problem document."""
    app.add_exception_handler(DomainError, _domain_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)
    for kind in (SQLAlchemyError, OSError):
        app.add_exception_handler(kind, _database_error)
    app.add_exception_handler(Exception, _unexpected)


async def _domain_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DomainError)
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
    if isinstance(error, TemporaryError):
        headers["Retry-After"] = "1"
    if "retry_after" in error.context:
        headers["Retry-After"] = str(error.context["retry_after"])
    return problem(error.status, error.code, error.message, error.context, headers=headers)


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [{"field": ".".join(str(part) for part in item["loc"] if part != "body"), "message": item["msg"]} for item in error.errors()]
    detail = "; ".join(f"{item['field']}: {item['message']}" if item["field"] else item["message"] for item in errors)
    return problem(422, "invalid_request", f"The request cannot be read as it is: {detail}.", {"errors": errors})


async def _http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    return problem(error.status_code, code, f"{error.detail}: {request.method} {request.url.path}", headers=error.headers)


async def _database_error(request: Request, error: Exception) -> JSONResponse:
    if is_unstorable(error):
        return problem(422, "invalid_request", "The request holds a character or a number that cannot be stored. Send it without.")
    if not is_away(error):
        raise error
    log.warning("the platform's database does not answer: %s", error)
    detail = (
        "The platform's database does not answer for the moment; nothing was changed. Send the request again, with its Idempotency-Key."
    )
    return problem(503, "database_away", detail, headers={"Retry-After": "1"})


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    # The server logs the traceback (Starlette raises it again after this answer); nothing of it goes out.
    return problem(
        500, "internal_error", "The platform failed to answer; nothing was changed. The log says why. Try again, or tell its operator."
    )

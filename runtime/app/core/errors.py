"""The one place where errors become answers: `{"data": null, "message": …, "errors": [{"code": …}]}` under `/api`, a page elsewhere.

Services raise a `DomainError` whose message says what to do next. Everything else is answered in our words: no message of a library, a
driver or a stack ever reaches a client or, since it may quote a patient's data, the log.
"""

import logging
import secrets
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from dentalpin_kit.problems import DomainError, TemporaryError

__all__ = ["DomainError", "Problem", "TemporaryError", "describe", "install", "log_failure", "respond"]

logger = logging.getLogger(__name__)

CODES: Mapping[int, str] = {
    400: "bad_request",
    401: "not_signed_in",
    403: "permission_denied",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid",
    429: "too_many_requests",
    503: "temporarily_unavailable",
}
"""Codes of statuses that come without one: the framework's own, and a module's HTTPException."""

NOT_FOUND = "There is nothing at this address. If it belongs to a module, that module is not installed here."

_NOT_ALLOWED = (422, "value_not_allowed", "A value is outside what is allowed; correct it and send the request again.")

# SQLSTATE -> what it means to the caller (PostgreSQL, appendix A).
DATABASE: Mapping[str, tuple[int, str, str]] = {
    "23505": (409, "already_exists", "Something with these values exists already; change them and send the request again."),
    "23503": (409, "reference_broken", "Something this refers to does not exist, or is still in use; check the identifiers."),
    "23P01": (409, "overlaps", "This overlaps with something that exists already; choose another time or place."),
    "23502": (422, "value_missing", "A value that must be given is missing; fill it in and send the request again."),
    "23514": _NOT_ALLOWED,
    # Modules written by the guide check neither pages, numbers nor texts: page 0, a number no column holds, a NUL character.
    **dict.fromkeys(("2201W", "2201X", "22000", "22003", "22008", "22021", "22P05"), _NOT_ALLOWED),
    "22001": (422, "value_too_long", "A text is longer than its field; shorten it and send the request again."),
    # A read whose transaction may not write, since the clinic is read-only (app.core.modes).
    "25006": (403, "mode_read_only", "This clinic is read-only at the moment: nothing can be changed."),
    "42501": (403, "other_clinic", "This belongs to another clinic, or may not be changed here; choose the right clinic first."),
    "40001": (503, "busy", "Somebody changed the same thing at the same moment; send the request again."),
    "40P01": (503, "busy", "Somebody changed the same thing at the same moment; send the request again."),
    "55P03": (503, "busy", "This is being worked on at the moment; send the request again."),
    "57014": (503, "took_too_long", "The database needed too long; ask for less at once, or try again."),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as an answer."""

    status: int
    code: str
    message: str
    errors: tuple[Mapping[str, Any], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        return {"data": None, "message": self.message, "errors": list(self.errors) or [{"code": self.code}]}


def describe(error: BaseException) -> Problem:
    """What to answer to an error. A failure of ours gets an incident number that the log has too."""
    match error:
        case DomainError():
            return _domain(error)
        case RequestValidationError():
            return _validation(error)
        case HTTPException():
            return _http(error)
        case PoolTimeout():
            return Problem(503, "busy", "The clinic's server is busy; try again in a moment.", headers={"Retry-After": "1"})
        case DBAPIError():
            return _database(error)
    return failure(error)


def failure(error: BaseException) -> Problem:
    """The answer to a failure of ours, which is logged under its incident number."""
    incident = secrets.token_hex(4)
    log_failure(error, incident)
    return Problem(
        500,
        "internal_error",
        f"Something went wrong on our side and nothing was changed. Try again; if it stays, report incident {incident}.",
        ({"code": "internal_error", "incident": incident},),
    )


def _domain(error: DomainError) -> Problem:
    headers = {}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if "retry_after" in error.context:
        headers["Retry-After"] = str(error.context["retry_after"])
    elif isinstance(error, TemporaryError):
        headers["Retry-After"] = "1"
    return Problem(error.status, error.code, error.message, ({"code": error.code, **jsonable_encoder(error.context)},), headers)


def _validation(error: RequestValidationError) -> Problem:
    # Neither `input` nor `ctx`: they repeat what was sent.
    items = tuple({"code": "invalid", "field": ".".join(map(str, item["loc"])), "message": item["msg"]} for item in error.errors())
    fields = ", ".join(sorted({item["field"] for item in items}))
    return Problem(422, "invalid", f"The request cannot be used; correct {fields or 'it'}.", items)


def _http(error: HTTPException) -> Problem:
    code = CODES.get(error.status_code, "refused" if error.status_code < 500 else "internal_error")
    if error.detail and error.detail != HTTPStatus(error.status_code).phrase:
        message = error.detail if isinstance(error.detail, str) else "The request was refused."
    else:
        message = NOT_FOUND if error.status_code == 404 else f"{HTTPStatus(error.status_code).phrase}."
    return Problem(error.status_code, code, message, headers=dict(error.headers or {}))


def _database(error: DBAPIError) -> Problem:
    if error.connection_invalidated:
        return Problem(
            503, "database_unavailable", "The clinic's database cannot be reached; try again in a moment.", headers={"Retry-After": "1"}
        )
    known = DATABASE.get(str(getattr(error.orig, "sqlstate", None)))
    if known is None:
        return failure(error)
    status, code, message = known
    logger.info("refused by the database: %s", _of_database(error))
    return Problem(status, code, message, headers={"Retry-After": "1"} if status == 503 else {})


def log_failure(error: BaseException, incident: str) -> None:
    """Log where an error came from: types and places, no messages, which may quote what a request contained."""
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    chain: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(chain) < 8:
        chain.append(_of_database(cause) if isinstance(cause, DBAPIError) else type(cause).__qualname__)
        cause = cause.__cause__ or cause.__context__
    logger.error("incident %s: %s\n  %s", incident, " <- ".join(chain), "\n  ".join(places[-25:]))


def _of_database(error: DBAPIError) -> str:
    cause = getattr(error.orig, "__cause__", None)
    facts = [getattr(error.orig, "sqlstate", None), getattr(cause, "table_name", None), getattr(cause, "constraint_name", None)]
    return f"{type(error.orig).__qualname__} ({', '.join(str(fact) for fact in facts if fact) or 'no state'})"


def respond(scope: Scope, problem: Problem) -> Response:
    """The problem as JSON, or as a page for a person who opened an address outside `/api`."""
    page: Callable[[Scope, Problem], Response | None] | None = getattr(scope["app"].state, "error_page", None)
    answer = None if page is None else page(scope, problem)
    return answer or JSONResponse(problem.body(), problem.status, dict(problem.headers))


def install(app: FastAPI) -> None:
    """Answer expected errors inside the application; what nobody expected is answered by the unit of work layer around it."""

    async def answer(request: Request, error: Exception) -> Response:
        return respond(request.scope, describe(error))

    for kind in (DomainError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer)

"""Errors as pages: what a person reads who opened an address outside `/api`."""

from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from app.core.errors import Problem

from .render import page
from .texts import DEFAULT, TEXTS

_JSON_ONLY: Final = ("/api/", "/health/")
_SAME_AS: Final = {
    "no_owner": "no_platform",
    "database_unavailable": "error_503",
    "busy": "error_503",
    "not_found": "error_404",
}
_TO_SIGN_IN: Final = frozenset({"welcome_used", "owner_has_password"})


def error_page(scope: Scope, problem: Problem) -> Response | None:
    """The page for a problem; None where the answer is JSON."""
    path: str = scope["path"]
    request = Request(scope)
    if path.startswith(_JSON_ONLY) or path == "/api" or _wants_json(request.headers.get("accept", "")):
        return None
    key = _SAME_AS.get(problem.code, problem.code)
    known = f"{key}_text" in TEXTS[DEFAULT]
    response = page(
        request,
        "problem.html",
        status=problem.status,
        title_key=key if known else "error_500" if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "error_other",
        text_key=f"{key}_text" if known else None,
        message=problem.message,
        to_sign_in=key in _TO_SIGN_IN,
    )
    response.headers.update(problem.headers)
    return response


def _wants_json(accept: str) -> bool:
    return "application/json" in accept and "text/html" not in accept

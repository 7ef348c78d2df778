"""The API's description, made when somebody asks for it: errors in our shape, where each may come from, and how to sign in."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts

from app.core.auth.dependencies import get_claims, get_clinic_context, get_identity
from app.core.modes import guard
from app.core.schemas import ErrorResponse

_SIGN_IN: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "The access token of POST /api/v1/auth/login. Pages of this runtime use the session's cookie instead.",
}
_ERROR: Final = {"application/json": {"schema": {"$ref": "#/components/schemas/HTTPValidationError"}}}
_WHO: Final[frozenset[Callable[..., Any]]] = frozenset({get_claims, get_identity, get_clinic_context})
"""What asks who is calling; a personal token answers some of them without claims."""
_LIMITED: Final = "/api/v1/auth/"
"""Where passwords and codes are asked for, also of those who are signed in."""
_WRITES: Final = frozenset({"post", "put", "patch", "delete"})

REFUSALS: Final[Mapping[int, str]] = {
    400: "The body cannot be read, or which clinic is meant is not clear (`clinic_not_chosen` lists them).",
    401: "Nobody is signed in, or the credentials are wrong.",
    403: "The role does not allow it (`permission_denied`), it belongs to another clinic, or the clinic's mode forbids it.",
    404: "There is no such thing here.",
    409: "It contradicts what is there; the message says what.",
    410: "The link has expired or was used; ask for another.",
    413: "The body is too large.",
    422: "A value cannot be used; `errors` names the fields.",
    429: "Too many attempts; `Retry-After` says how long to wait.",
    503: "It may pass by itself: the database is away or busy. Send the request again.",
}
"""What the core answers on a route's behalf, so that no author has to write it down; a route's own `responses` say more precisely."""


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of everything mounted; kept once made."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, openapi_version=app.openapi_version, routes=app.routes)
        components = document.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        schemas.pop("ValidationError", None)
        error = ErrorResponse.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(error.pop("$defs"))
        # FastAPI's name for the answer to a body that cannot be used; it is ours for every error.
        schemas["HTTPValidationError"] = error
        components["securitySchemes"] = {"bearer": _SIGN_IN}
        document["security"] = [{"bearer": []}]
        _add_refusals(document, {(method.lower(), route.path): route for route in _routes(app) for method in route.methods or ()})
        app.openapi_schema = document
    return app.openapi_schema


def _routes(app: FastAPI) -> Iterator[Any]:
    return (route for route in iter_route_contexts(app.routes) if getattr(route, "dependant", None) is not None)


def _add_refusals(document: dict[str, Any], routes: Mapping[tuple[str, str], Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            asked = frozenset(_calls(routes[method, path].dependant))
            for status in _refusals(method, path, operation, asked):
                operation["responses"].setdefault(str(status), {"description": REFUSALS[status], "content": _ERROR})
            operation["responses"] = dict(sorted(operation["responses"].items()))
            if not asked & _WHO:
                operation["security"] = []


def _refusals(method: str, path: str, operation: Mapping[str, Any], asked: frozenset[Callable[..., Any]]) -> Iterator[int]:
    """The statuses an operation may answer by what it takes and asks for, beyond those of its own."""
    body, writes, signed_in = "requestBody" in operation, method in _WRITES, bool(asked & _WHO)
    if body or get_clinic_context in asked:
        yield 400
    if signed_in or writes:
        yield 401
    if signed_in or writes or guard in asked:
        yield 403
    if "{" in path or (body and signed_in):
        # What the path names, or what the body refers to.
        yield 404
    if writes:
        yield 409
    if body:
        yield 413
    if body or signed_in or operation.get("parameters"):
        # Whoever is signed in may name a clinic, in a header that the routes themselves do not declare.
        yield 422
    if writes and (not signed_in or path.startswith(_LIMITED)):
        yield 429
    if body and not signed_in:
        # What proves who is asking is in the body, and may be spent.
        yield 410
    yield 503


def _calls(dependant: Any) -> Iterator[Callable[..., Any]]:
    for inner in dependant.dependencies:
        yield inner.call
        yield from _calls(inner)

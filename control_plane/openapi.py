"""The API's description (OpenAPI 3.1), made when somebody asks for it: what FastAPI reads off the code, completed with what holds for every
route: how to sign in, which refusals to expect and what they look like, and that a POST may be repeated.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts

from control_plane.access.routing import current_actor

PREFIX: Final = "/v1"
PROBLEM: Final = "application/problem+json"
DESCRIPTION: Final = """\
Everything an operator does with DentalPin's platform. Errors are problem documents (RFC 9457) with a stable `code`; lists are cut into
pages by an opaque cursor (`next`, passed as `after`); a POST may be repeated with its `Idempotency-Key`; what answers with an `ETag`
takes it as `If-Match` where it is changed.
"""
_WRITES: Final = frozenset({"post", "put", "patch", "delete"})
_SIGN_IN: Final = {"type": "http", "scheme": "bearer", "description": "A key: `./dev key` or `POST /v1/keys` makes one."}
_IDEMPOTENCY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Makes this request one that may be sent again: for a day the same key and body get the first answer, and nothing "
    "happens twice. A UUID does well.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "example": "4e4b9e1c-6a4e-4a53-8e0e-1f9b1c2d3e4f",
}
_PROBLEM_SCHEMA: Final = {
    "title": "Problem",
    "type": "object",
    "description": "A refusal (RFC 9457). Members beyond these name the things it is about.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong and what to do about it, for a person."},
        "code": {"type": "string", "description": "What is wrong, for a program; it never changes."},
    },
    "additionalProperties": True,
}
REFUSALS: Final[Mapping[int, tuple[str, str, str]]] = {
    400: ("http_error", "The body cannot be read at all.", "There was an error parsing the body."),
    401: ("not_authenticated", "Nobody is signed in, or the key is not valid any more.", "Send a key as `Authorization: Bearer …`."),
    403: ("scope_needed", "The caller's role or key does not allow it.", "This needs the scope tenants:write, which this key has not."),
    404: ("not_found", "There is no such thing, or it is not yours.", "There is no tenant 'luna'. List them with `GET /v1/tenants`."),
    409: ("conflict", "It contradicts what is there.", "The tenant is deleting and cannot take 'change started' now."),
    410: ("tenant_key_destroyed", "It was erased.", "This tenant's data was erased: its key was destroyed."),
    412: ("changed_since", "It was changed since the version that `If-Match` names.", "The tenant was changed since you read it."),
    413: ("too_large", "The body is too large.", "Send less at once."),
    422: (
        "invalid_request",
        "A value cannot be used; `errors` names the fields.",
        "limit: Input should be at most 200.",
    ),
    429: ("too_many_requests", "Too many requests; `Retry-After` says how long to wait.", "Wait 20 seconds, then go on."),
    502: ("release_unreadable", "What the runtime's environment answers makes no sense.", "The environment printed no release."),
    503: ("database_away", "It may pass by itself. Send the request again.", "The platform's database does not answer for the moment."),
}
"""What may be answered on a route's behalf: an example of a code, what it means, an example of the detail."""


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of everything under /v1; kept once made."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, openapi_version="3.1.0", description=DESCRIPTION, routes=app.routes, tags=_tags(app)
        )
        components = document.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        schemas["Problem"] = _PROBLEM_SCHEMA
        components["securitySchemes"] = {"key": _SIGN_IN}
        document["security"] = [{"key": []}]
        routes = {(method.lower(), route.path): route for route in _routes(app) for method in route.methods or ()}
        _name_operations(document, routes)
        for method, path, operation in operations_of(document):
            _complete(operation, method, path, signed_in=current_actor in set(_calls(routes[method, path].dependant)))
        app.openapi_schema = document
    return app.openapi_schema


def operations_of(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(method, path, operation) of everything described."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield method, path, operation


def _routes(app: FastAPI) -> Iterator[Any]:
    return (route for route in iter_route_contexts(app.routes) if getattr(route, "dependant", None) is not None)


def _tags(app: FastAPI) -> list[dict[str, str]]:
    return [{"name": str(tag)} for tag in dict.fromkeys(tag for route in _routes(app) for tag in getattr(route, "tags", ()) or ())]


def _name_operations(document: Mapping[str, Any], routes: Mapping[tuple[str, str], Any]) -> None:
    """Give every operation the name of its function, with its tag in front where two share one."""
    names = Counter(routes[method, path].name for method, path, _ in operations_of(document))
    for method, path, operation in operations_of(document):
        name = routes[method, path].name
        operation["operationId"] = name if names[name] == 1 else f"{operation['tags'][0].replace(' ', '_')}_{name}"


def _complete(operation: dict[str, Any], method: str, path: str, *, signed_in: bool) -> None:
    if not signed_in:
        operation["security"] = []
    if method == "post" and path.startswith(PREFIX):
        operation.setdefault("parameters", []).append(_IDEMPOTENCY)
    for status in _refusals(operation, method, path, signed_in=signed_in):
        operation["responses"].setdefault(str(status), {"description": REFUSALS[status][1]})["content"] = {PROBLEM: _example(status)}
    operation["responses"] = dict(sorted(operation["responses"].items()))


def _refusals(operation: Mapping[str, Any], method: str, path: str, *, signed_in: bool) -> Iterator[int]:
    """The statuses an operation may answer by what it takes and asks for, beyond those of its own."""
    writes, body = method in _WRITES, "requestBody" in operation
    headers = {parameter["name"].lower() for parameter in operation.get("parameters", ()) if parameter["in"] == "header"}
    if signed_in or path.startswith(PREFIX):
        # The doors of /v1 that nobody has passed yet prove who is asking by the body.
        yield from (401, 403, 429)
    if body:
        yield 400
    if "{" in path or body or operation.get("parameters") or not path.startswith(PREFIX):
        # What the path names, or what the body refers to.
        yield 404
    if writes or path.startswith(f"{PREFIX}/tenants"):
        yield 409
    if writes and "{" in path:
        yield 410
    if "if-match" in headers:
        yield 412
    if body:
        yield 413
    if writes or operation.get("parameters"):
        yield 422
    if path.startswith(f"{PREFIX}/releases"):
        yield 502
    yield 503


def _example(status: int) -> dict[str, Any]:
    code, _, detail = REFUSALS[status]
    members = {"type": f"urn:dentalpin:problem:{code}", "title": code.replace("_", " ").capitalize(), "status": status}
    return {"schema": {"$ref": "#/components/schemas/Problem"}, "example": {**members, "detail": detail, "code": code}}


def _calls(dependant: Any) -> Iterator[Any]:
    for inner in dependant.dependencies:
        yield inner.call
        yield from _calls(inner)

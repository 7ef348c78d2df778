"""What surrounds every request of both APIs: an id, one line in the access log, a count and a span; none says who or what it was about.

`RequestsLayer` stands outermost, `RouteLayer` innermost: only there the route that was chosen is known. What they keep of a request is the
route's template, so that neither ids nor anything typed into an address leaves the process.
"""

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dentalpin_kit import logs, tracing

logger = logging.getLogger("dentalpin.access")

REQUEST_ID: Final = "x-request-id"
UNMATCHED: Final = "(no route)"
QUIET: Final = ("/health/", "/metrics", "/api/v1/modules/-/attestation")
"""Asked every few seconds by machines: counted, and logged at DEBUG only."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SCOPE_KEY: Final = "dentalpin.request"

Observe = Callable[[str, str, int, float], None]
"""(method, route template, status, seconds)"""


@dataclass
class Seen:
    """What is known of one request; shared by the copies of the scope that inner layers make."""

    id: str
    route: str = UNMATCHED
    status: int = 500
    seconds: float | None = None
    """Until the answer began: how long a stream goes on afterwards says nothing about the server."""


class RequestsLayer:
    """`observe` counts; `module_of` names the module a path belongs to, if it does."""

    def __init__(self, app: ASGIApp, *, observe: Observe, module_of: Callable[[str], str | None] = lambda _: None) -> None:
        self.app = app
        self._observe = observe
        self._module_of = module_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # Ours, never the caller's: what a stranger sends would stand in every line.
        seen = Seen(secrets.token_hex(8))
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        begun = time.perf_counter()

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status, seen.seconds = message["status"], time.perf_counter() - begun
                message = {**message, "headers": [*message.get("headers", ()), (REQUEST_ID.encode(), seen.id.encode())]}
            await send(message)

        module = self._module_of(scope["path"])
        with logs.bind(request=seen.id, module=module), tracing.span(method, caller=_headers(scope)) as span:
            try:
                await self.app({**scope, _SCOPE_KEY: seen}, receive, note)
            finally:
                seconds = time.perf_counter() - begun if seen.seconds is None else seen.seconds
                self._observe(method, seen.route, seen.status, seconds)
                _describe(span, method, seen, module)
                quiet = scope["path"].startswith(QUIET)
                logger.log(
                    logging.DEBUG if quiet else logging.INFO,
                    "%s %s %d",
                    method,
                    seen.route,
                    seen.status,
                    extra={"fields": {"method": method, "route": seen.route, "status": seen.status, "ms": round(seconds * 1000, 1)}},
                )


class RouteLayer:
    """Notes which route answered, once it has."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        finally:
            seen = scope.get(_SCOPE_KEY)
            if seen is not None:
                seen.route = template_of(scope)


def template_of(scope: Scope) -> str:
    """The whole template of the route a request was given to (`/api/v1/patients/{patient_id}`), or UNMATCHED."""
    # FastAPI keeps the path with the prefixes of all routers here; `route.path` is the innermost router's part alone.
    chosen: Any = scope.get("fastapi", {}).get("effective_route_context")
    template = getattr(chosen, "path_format", None) or getattr(scope.get("route"), "path", None)
    if template is None and scope.get("endpoint") is not None:
        # An application mounted below a path: what it makes of the rest is its own.
        template = scope.get("root_path") or None
    return template or UNMATCHED


def request_id(scope: Scope) -> str | None:
    """The id of the request this scope belongs to."""
    seen: Seen | None = scope.get(_SCOPE_KEY)
    return None if seen is None else seen.id


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"}


def _describe(span: tracing.Span, method: str, seen: Seen, module: str | None) -> None:
    tracing.renamed(span, f"{method} {seen.route}")
    span.set(http__request__method=method, http__route=seen.route, http__response__status_code=seen.status, request=seen.id, module=module)
    if seen.status >= 500:
        tracing.failed(span, str(seen.status))

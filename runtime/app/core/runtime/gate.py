"""The outermost ASGI layer: while the serving locks are lost no request reaches a module, whose tables might go at any moment."""

import json
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

ALWAYS_OPEN: Final = ("/health/", "/metrics")

_BODY: Final = json.dumps(
    {
        "data": None,
        "message": "The clinic's database cannot be reached right now. Try again in a few seconds.",
        "errors": [{"code": "database_unavailable"}],
    }
).encode()
_HEADERS: Final = [
    (b"content-type", b"application/json"),
    (b"content-length", str(len(_BODY)).encode()),
    (b"retry-after", b"1"),
    (b"cache-control", b"no-store"),
]


class Gate:
    """Passes requests on while `open`; otherwise answers 503, except to whoever watches this process."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.open = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.open or scope["type"] != "http" or scope["path"].startswith(ALWAYS_OPEN):
            await self._app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 503, "headers": list(_HEADERS)})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else _BODY})

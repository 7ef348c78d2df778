"""Requests on the control channel through a proxy that keeps the `Authorization` header to itself, as Kubernetes' API server does."""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.runtime.server import CONTROL

AUTHORIZATION: Final = b"authorization"
FORWARDED: Final = b"x-dentalpin-authorization"


class Forwarded:
    """Takes the platform's token from a header of our own; on the control channel only, where nobody else asks."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope.get("state", {}).get(CONTROL):
            given = next((value for name, value in scope["headers"] if name == FORWARDED), None)
            if given is not None:
                others = [(name, value) for name, value in scope["headers"] if name not in (AUTHORIZATION, FORWARDED)]
                scope = {**scope, "headers": [*others, (AUTHORIZATION, given)]}
        await self._app(scope, receive, send)

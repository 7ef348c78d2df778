"""The ASGI layer that a support session's requests pass, and no other way in exists for them.

It finds the session, writes down what is asked, lets the application answer in transactions that cannot write, and masks what it answered.
An answer it cannot mask does not leave. For everybody else it only says, on pages, that support is in.
"""

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core import clock, errors
from app.core.auth.dependencies import VISITOR
from app.core.auth.identity import Identity
from app.core.errors import DomainError
from app.core.plugins.registry import ModuleRegistry
from app.database import current_unit, reading_only, unit_of_work
from dentalpin_kit import logs

from . import service, sessions, viewing
from .errors import CODES, SupportCannotSee, SupportNoExport, SupportReadsOnly, SupportSessionOver
from .masking import HIDDEN, mask_of, masked
from .models import SupportAccess, SupportRead
from .present import PRESENT

LONGEST_ANSWER: Final = 8 * 1024 * 1024
_API: Final = "/api/v1/"
_OF_THE_CORE: Final = frozenset({"modules", "jobs", "events"})
_NO_PAGES: Final = ("/api/", "/health/", "/metrics", "/-/")


@dataclass(frozen=True, slots=True)
class SupportVisitor:
    access: SupportAccess

    async def identify(self, request: Request, db: AsyncSession) -> Identity:
        viewing.refuse_beyond_looking(request)
        return await viewing.identity_of(db, self.access)


class SupportLayer:
    """Stands inside the unit of work, so that the answer it sends is the one that is committed (of nothing)."""

    def __init__(self, app: ASGIApp, registry: ModuleRegistry) -> None:
        self.app = app
        self._registry = registry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        token = _token(scope)
        if token is None:
            await self.app(await _with_banner(scope), receive, send)
            return
        try:
            answer = await self._look(scope, receive, token)
        except DomainError as refused:
            answer = errors.respond(scope, errors.describe(refused))
        await answer(scope, receive, send)

    async def _look(self, scope: Scope, receive: Receive, token: str) -> Response:
        """Raises SupportSessionOver, SupportReadsOnly, SupportCannotSee, SupportNoExport."""
        access = await _enter(scope, token)
        logs.add(support=access.id)
        if scope["method"] != "GET":
            raise SupportReadsOnly
        name = scope["path"].removeprefix(_API).partition("/")[0]
        if not scope["path"].startswith(_API) or not (name in self._registry or name in _OF_THE_CORE):
            raise SupportCannotSee
        held, inner = _Held(), {**scope, VISITOR: SupportVisitor(access)}
        with reading_only():
            await self.app(inner, receive, held.take)
        return _masked(held, inner)


@dataclass
class _Held:
    """An answer that has not left."""

    status: int = 500
    content_type: str = ""
    body: bytearray = field(default_factory=bytearray)
    too_long: bool = False

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.content_type = next((value.decode("latin-1") for name, value in message["headers"] if name.lower() == b"content-type"), "")
        elif message["type"] == "http.response.body" and not self.too_long:
            self.body += message.get("body", b"")
            self.too_long = len(self.body) > LONGEST_ANSWER


def _masked(held: _Held, scope: Scope) -> Response:
    """Raises SupportNoExport for what is no JSON, or too long to be looked at."""
    if held.status < HTTPStatus.MULTIPLE_CHOICES and held.status != HTTPStatus.OK:
        return Response(status_code=held.status)
    if held.too_long or held.content_type.partition(";")[0].strip() != "application/json":
        raise SupportNoExport
    content = json.loads(bytes(held.body))
    if held.status != HTTPStatus.OK:
        return JSONResponse(_refusal(content), held.status)
    return JSONResponse(masked(content, mask_of(getattr(scope.get("route"), "response_model", None))))


def _refusal(content: Any) -> dict[str, Any]:
    """A refusal's codes. Its words may name whom it is about; those of our own refusals of support do not."""
    items = content.get("errors") if isinstance(content, dict) else None
    codes = [str(item.get("code")) for item in items or () if isinstance(item, dict)] or ["refused"]
    ours = _PLAIN.issuperset(codes)
    return {
        "data": None,
        "message": content["message"] if ours else HIDDEN,
        "errors": items if ours else [{"code": each} for each in codes],
    }


_PLAIN: Final = CODES | {"clinic_not_chosen", "clinic_id_invalid", "not_a_member", "permission_denied", "mode_read_only"}
"""Refusals of the core that speak of clinics and permissions only."""


async def _enter(scope: Scope, token: str) -> SupportAccess:
    """Find the session and write down what it asks, in a transaction of its own: a read that is refused is known too."""
    if scope["app"].state.copy is not None:
        # Nobody asked the clinic whether its copy may be looked at.
        raise SupportSessionOver
    now = clock.now()
    unit = current_unit()
    async with unit_of_work(database=unit.database if unit else None) as session:
        access = await sessions.find(session, token, at=now)
        session.add(SupportRead(access_id=access.id, at=now, method=scope["method"][:10], path=scope["path"][:400]))
        session.expunge(access)
    return access


async def _with_banner(scope: Scope) -> Scope:
    """The scope of a page, which says to everybody in the clinic that support is in; a stranger is told nothing."""
    cookie = f"{scope['app'].state.auth.cookie}=".encode()
    if scope["path"].startswith(_NO_PAGES) or not any(name == b"cookie" and cookie in value for name, value in scope["headers"]):
        return scope
    unit = current_unit()
    return scope if unit is None else {**scope, PRESENT: await service.active(unit.session, at=clock.now())}


def _token(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            kind, _, token = value.decode("latin-1").partition(" ")
            if kind.lower() == "bearer" and token.strip().startswith(sessions.MARK):
                return str(token.strip())
    return None

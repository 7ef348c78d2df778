"""One request, one transaction: committed on the way to the first byte of the answer.

FastAPI finishes its `yield` dependencies after the answer was sent, so that a commit there could fail behind a 201, and a read right
after a write could miss it. Here a status below 400 commits before `http.response.start` leaves, any other rolls back, and a commit
that fails becomes the answer.
"""

import asyncpg
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core import errors
from app.core.errors import Problem
from app.database import Database, DatabaseUnavailable, UnitOfWork, commit, roll_back

REPLAYABLE_BODY = 1024 * 1024
"""Bytes of a request's body that are kept to run it a second time."""
LONGEST_BODY = 32 * 1024 * 1024
"""Bytes of the longest body read: it is held in memory, before anybody is asked who they are."""


class AnswerCutOff(RuntimeError):
    """The application failed while its answer was under way; the server closes the connection."""


class UnitOfWorkLayer:
    """Opens the unit of work of each request, ends it before the answer, and answers what nobody else did.

    A request whose transaction was lost before it could commit, because the connection had died while idle or a migration had changed
    a type under a prepared statement, is run once more: nothing of it was kept, and requests have no effects but in the database.
    """

    def __init__(self, app: ASGIApp, database: Database) -> None:
        self.app = app
        self.database = database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _Replay(receive)
        # Routing writes its findings into the scope, so each run gets a copy.
        lost = await _Attempt(self.database, send).run(self.app, dict(scope), body.receive)
        if lost is None:
            return
        if body.rewind() and _may_pass(lost):
            lost = await _Attempt(self.database, send).run(self.app, dict(scope), body.receive)
        if lost is not None:
            await errors.respond(scope, errors.describe(lost))(scope, receive, send)


class _Attempt:
    """One run of a request. Returns the error that left the application, if nothing was sent yet."""

    def __init__(self, database: Database, send: Send) -> None:
        self._database = database
        self._send = send
        self._started = False
        self._replaced = False

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive) -> Exception | None:
        async with self._database.unit() as unit:

            async def send(message: Message) -> None:
                await self._answer(unit, scope, receive, message)

            try:
                await app(scope, receive, send)
            except Exception as error:
                if not self._started:
                    return error
                errors.log_failure(error, "after the answer began")
                raise AnswerCutOff from None
        return None

    async def _answer(self, unit: UnitOfWork, scope: Scope, receive: Receive, message: Message) -> None:
        if message["type"] == "http.response.start" and not self._started:
            self._started = True
            problem = await _finish(unit, message["status"])
            if problem is not None:
                self._replaced = True
                await errors.respond(scope, problem)(scope, receive, self._send)
        if not self._replaced:
            await self._send(message)


async def _finish(unit: UnitOfWork, status: int) -> Problem | None:
    """End the transaction of a request that answers `status`; the problem to answer instead if the commit fails."""
    if status >= 400:
        await roll_back(unit)
        return None
    try:
        await commit(unit)
    except Exception as error:
        await roll_back(unit)
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            return Problem(
                500, "outcome_unknown", "The connection was lost while saving. Check whether your change is there before you repeat it."
            )
        problem = errors.describe(error)
        # Only a client that repeats by itself may be told to: 403, 409 and 422 name what to correct, the rest is ours.
        return problem if problem.status in (403, 409, 422, 503) else Problem(500, "not_saved", problem.message, problem.errors)
    return None


def _may_pass(error: Exception) -> bool:
    """Whether the same request can succeed on another connection."""
    if isinstance(error, DatabaseUnavailable):
        return True
    if not isinstance(error, DBAPIError):
        return False
    stale = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)
    return error.connection_invalidated or isinstance(getattr(error.orig, "__cause__", None), stale)


class _Replay:
    """Keeps what was received, so that it can be received again."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._kept: list[Message] = []
        self._size = 0
        self._position = 0

    async def receive(self) -> Message:
        if self._position < len(self._kept):
            self._position += 1
            return self._kept[self._position - 1]
        message = await self._receive()
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            if self._size > LONGEST_BODY:
                # Raised where the application reads the body, which answers it.
                raise HTTPException(413, f"This is larger than {LONGEST_BODY // 1024**2} MiB; send it in smaller parts.")
            if self._size <= REPLAYABLE_BODY:
                self._kept.append(message)
                self._position += 1
        return message

    def rewind(self) -> bool:
        self._position = 0
        return self._size <= REPLAYABLE_BODY

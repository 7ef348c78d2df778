"""`@transactional` handlers: run inside the publisher's transaction, as the last thing before it commits.

They are called when the session commits, in the order of publishing, whether a request, a handler, a hook or a job published. What
they raise leaves the commit, so that nothing of the transaction is kept.
"""

from contextlib import AsyncExitStack
from typing import Any, Final
from uuid import UUID

import sqlalchemy.event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only

from app.database import CLINIC, current_unit, joined_unit, set_clinic

from .errors import TooManyEvents
from .handlers import Subscription
from .models import Event

_QUEUE: Final = "events.before_commit"
MOST_IN_ONE_TRANSACTION: Final = 1000
"""Calls of transactional handlers in one transaction; more is two of them publishing to each other."""


def before_commit(session: AsyncSession, event: Event, subscription: Subscription) -> None:
    """Have the handler called before `session` commits, if the event is still part of the transaction then."""
    queue: list[tuple[Event, Subscription]] | None = session.info.get(_QUEUE)
    if queue is None:
        queue = session.info[_QUEUE] = []
        _run_at_commit_of(session)
    queue.append((event, subscription))


def _run_at_commit_of(session: AsyncSession) -> None:
    def committing(sync: Session) -> None:
        # A savepoint that is released; the event may yet be taken back with what is around it.
        if not sync.in_nested_transaction():
            await_only(_run(session))

    sqlalchemy.event.listen(session.sync_session, "before_commit", committing)


async def _run(session: AsyncSession) -> None:
    queue: list[tuple[Event, Subscription]] = session.info[_QUEUE]
    done = 0
    while queue:
        event, subscription = queue.pop(0)
        # Not if the savepoint in which it was published was rolled back.
        if event not in session:
            continue
        done += 1
        if done > MOST_IN_ONE_TRANSACTION:
            raise TooManyEvents(", ".join(sorted({event.name, *(waiting.name for waiting, _ in queue)})))
        await _call(session, event, subscription)


async def _call(session: AsyncSession, event: Event, subscription: Subscription) -> None:
    before: UUID | None = session.info.get(CLINIC)
    async with AsyncExitStack() as stack:
        unit = current_unit()
        if unit is None or unit.session is not session:
            joined = await stack.enter_async_context(joined_unit(session, before))
            sqlalchemy.event.listen(session.sync_session, "after_commit", lambda _: joined.committed(), once=True)
        if before is None and event.clinic_id is not None:
            await set_clinic(session, event.clinic_id)
        try:
            await subscription.invoke(session, _copy(event.payload))
        except Exception as error:
            error.add_note(f"raised by {subscription.name}, a transactional handler of {event.name}")
            raise
        # What follows is the publisher's again, whatever the handler turned to.
        if session.info.get(CLINIC) != before:
            await set_clinic(session, before)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value

"""The books of delivery: claiming what is due, marking what became of it. Every function works in its caller's transaction."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

MAX_ATTEMPTS: Final = 12
"""After as many failures a delivery is dead: with the delays below about an hour and a quarter after the first."""
FIRST_DELAY: Final = timedelta(seconds=2)
LONGEST_DELAY: Final = timedelta(hours=1)
RETENTION: Final = timedelta(days=30)
"""How long an event is kept once nothing of it is pending."""

# The order is kept per handler, clinic and entity: an earlier delivery that is still pending, wherever it is being worked on, goes first.
_FIRST_OF_ITS_KIND: Final = """
    d.status = 'pending' AND d.module_name = ANY(:modules)
    AND NOT EXISTS (
        SELECT FROM core_event_delivery earlier
        WHERE earlier.status = 'pending' AND earlier.module_name = d.module_name AND earlier.handler = d.handler
          AND earlier.entity = d.entity AND earlier.clinic_id IS NOT DISTINCT FROM d.clinic_id AND earlier.event_id < d.event_id
    )
"""
_CLAIM: Final = text(f"""
    SELECT d.id, d.event_id, d.module_name, d.handler, d.attempts, e.name, e.payload, e.clinic_id
    FROM core_event_delivery d JOIN core_event e ON e.id = d.event_id
    WHERE {_FIRST_OF_ITS_KIND} AND d.next_attempt_at <= clock_timestamp()
    ORDER BY d.next_attempt_at, d.id LIMIT 1 FOR UPDATE OF d SKIP LOCKED
""")
_NEXT_DUE: Final = text(f"SELECT min(d.next_attempt_at) FROM core_event_delivery d WHERE {_FIRST_OF_ITS_KIND}")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one handler."""

    id: int
    event_id: int
    module: str
    handler: str
    attempts: int
    event: str
    payload: dict[str, Any]
    clinic_id: UUID | None

    def __repr__(self) -> str:
        return f"event {self.event_id} ({self.event}) to {self.module}:{self.handler}"


async def claim(session: AsyncSession, modules: Sequence[str]) -> Delivery | None:
    """Lock the delivery that is due longest, of these modules, until the transaction ends; those locked by others are passed over.

    `session` must be of no clinic, or it sees only its clinic's deliveries.
    """
    row = (await session.execute(_CLAIM, {"modules": list(modules)})).one_or_none()
    if row is None:
        return None
    return Delivery(row.id, row.event_id, row.module_name, row.handler, row.attempts, row.name, row.payload, row.clinic_id)


async def next_due(session: AsyncSession, modules: Sequence[str]) -> datetime | None:
    """When the next delivery of these modules is to be tried; in the past if it waits already, None if there is none."""
    due: datetime | None = (await session.execute(_NEXT_DUE, {"modules": list(modules)})).scalar_one()
    return due


async def mark_done(session: AsyncSession, delivery: Delivery) -> bool:
    """False if somebody else finished it meanwhile; then nothing of this transaction may be kept."""
    return await _mark(session, delivery, "status = 'done', attempts = attempts + 1, last_error = NULL, finished_at = clock_timestamp()")


async def mark_failed(session: AsyncSession, delivery: Delivery, error: str, *, final: bool = False) -> bool:
    """Record a failed attempt; returns whether the delivery is dead. `error` names types and places, nothing of the payload."""
    dead = final or delivery.attempts + 1 >= MAX_ATTEMPTS
    change = (
        "status = 'dead', attempts = attempts + 1, last_error = :error, finished_at = clock_timestamp()"
        if dead
        else "attempts = attempts + 1, last_error = :error, next_attempt_at = clock_timestamp() + CAST(:delay AS interval)"
    )
    return await _mark(session, delivery, change, error=error, delay=delay_after(delivery.attempts + 1)) and dead


async def _mark(session: AsyncSession, delivery: Delivery, change: str, **values: Any) -> bool:
    # The attempts seen at the claim are compared: only one of two that worked on it may say what became of it.
    statement = text(f"UPDATE core_event_delivery SET {change} WHERE id = :id AND status = 'pending' AND attempts = :seen RETURNING id")
    wanted = {name: value for name, value in values.items() if f":{name}" in change}
    return (await session.execute(statement, {"id": delivery.id, "seen": delivery.attempts, **wanted})).one_or_none() is not None


def delay_after(attempts: int) -> timedelta:
    """How long to wait after so many failures: doubling, capped, with jitter of up to a quarter less so that many do not return at once."""
    delay = min(FIRST_DELAY.total_seconds() * 2.0 ** (attempts - 1), LONGEST_DELAY.total_seconds())
    return timedelta(seconds=delay * random.uniform(0.75, 1))  # noqa: S311 - jitter, not a secret


async def close_deliveries(conn: AsyncConnection | AsyncSession, module: str, reason: str) -> int:
    """Close what a module that goes has not handled, given up or not; part of the uninstall's transaction. Returns how many."""
    closed = await conn.execute(
        text("""
            UPDATE core_event_delivery SET status = 'closed', last_error = :reason, finished_at = clock_timestamp()
            WHERE module_name = :module AND status IN ('pending', 'dead') RETURNING id
        """),
        {"module": module, "reason": reason},
    )
    return len(closed.all())


async def prune(session: AsyncSession, *, limit: int = 1000) -> int:
    """Delete events past their retention of which nothing is pending or dead. Returns how many."""
    deleted = await session.execute(
        text("""
            DELETE FROM core_event WHERE id IN (
                SELECT e.id FROM core_event e
                WHERE e.created_at < clock_timestamp() - CAST(:retention AS interval)
                  AND NOT EXISTS (SELECT FROM core_event_delivery d WHERE d.event_id = e.id AND d.status IN ('pending', 'dead'))
                ORDER BY e.id LIMIT :limit
            ) RETURNING id
        """),
        {"retention": RETENTION, "limit": limit},
    )
    return len(deleted.all())

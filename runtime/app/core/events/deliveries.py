"""What people see of deliveries and decide about them: dead letters can be made once more (replay) or given up (discard).

Knows no HTTP and commits nothing. `scope` is whose deliveries: those of one clinic, those of the tenant as a whole besides, or all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from .errors import DeliveryBusy, DeliveryNotDead, DeliveryUnknown
from .models import DeliveryStatus

Executor = AsyncConnection | AsyncSession

_COLUMNS: Final = (
    "d.id, d.event_id, e.name AS event, d.module_name AS module, d.handler, d.clinic_id, d.entity, d.status, d.attempts, "
    "e.created_at AS published_at, d.next_attempt_at, d.finished_at, d.last_error, d.decision, d.decided_by, d.decided_at"
)
_FROM: Final = "FROM core_event_delivery d JOIN core_event e ON e.id = d.event_id"
_SEEN: Final = "(:everything OR d.clinic_id = :clinic OR (:shared AND d.clinic_id IS NULL))"
_CHOSEN: Final = (
    f"{_SEEN} AND (CAST(:status AS text) IS NULL OR d.status = :status) "
    "AND (CAST(:module AS text) IS NULL OR d.module_name = :module) AND (CAST(:event AS text) IS NULL OR e.name = :event)"
)
_PAGE: Final = text(f"SELECT {_COLUMNS} {_FROM} WHERE {_CHOSEN} ORDER BY d.id DESC LIMIT :limit OFFSET :offset")
_COUNT: Final = text(f"SELECT count(*) {_FROM} WHERE {_CHOSEN}")
_ONE: Final = text(f"SELECT {_COLUMNS}, e.payload {_FROM} WHERE d.id = :id AND {_SEEN}")
_LOCK: Final = text("SELECT status FROM core_event_delivery WHERE id = :id FOR UPDATE SKIP LOCKED")
_REPLAYED: Final = (
    "status = 'pending', attempts = 0, next_attempt_at = clock_timestamp(), finished_at = NULL, "
    "decision = 'replayed', decided_by = :by, decided_at = clock_timestamp()"
)
_REPLAY: Final = text(f"UPDATE core_event_delivery SET {_REPLAYED} WHERE id = :id")
_DISCARD: Final = text("""
    UPDATE core_event_delivery SET status = 'closed', finished_at = clock_timestamp(),
           decision = 'discarded', decided_by = :by, decided_at = clock_timestamp()
    WHERE id = :id
""")
_REPLAY_ALL: Final = text(f"""
    UPDATE core_event_delivery SET {_REPLAYED}
    WHERE id IN (SELECT d.id {_FROM} WHERE {_CHOSEN} FOR UPDATE OF d SKIP LOCKED) RETURNING id
""")
_NOTIFY: Final = text("SELECT pg_notify('core_event', '')")


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose deliveries somebody may see and decide about."""

    clinic_id: UUID | None = None
    shared: bool = False
    """Also those of no clinic, which concern the whole tenant."""
    everything: bool = False

    def values(self) -> dict[str, Any]:
        return {"clinic": self.clinic_id, "shared": self.shared, "everything": self.everything}


ALL: Final = Scope(everything=True)


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One event on its way to one handler, as people see it."""

    id: int
    event_id: int
    event: str
    module: str
    handler: str
    clinic_id: UUID | None
    entity: str
    status: DeliveryStatus
    attempts: int
    published_at: datetime
    next_attempt_at: datetime
    finished_at: datetime | None
    last_error: str | None
    decision: str | None
    decided_by: UUID | None
    decided_at: datetime | None
    payload: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Which deliveries; None leaves it open."""

    status: DeliveryStatus | None = None
    module: str | None = None
    event: str | None = None

    def values(self) -> dict[str, Any]:
        return {"status": self.status and self.status.value, "module": self.module, "event": self.event}


DEAD: Final = Choice(DeliveryStatus.DEAD)


async def page(db: Executor, scope: Scope, choice: Choice, *, limit: int, offset: int = 0) -> tuple[Sequence[DeliveryView], int]:
    """The newest first, and how many there are in all."""
    values = {**scope.values(), **choice.values()}
    rows = await db.execute(_PAGE, {**values, "limit": limit, "offset": offset})
    return [_view(row) for row in rows], int((await db.execute(_COUNT, values)).scalar_one())


async def find(db: Executor, scope: Scope, delivery: int) -> DeliveryView:
    """With the payload. Raises DeliveryUnknown."""
    row = (await db.execute(_ONE, {"id": delivery, **scope.values()})).one_or_none()
    if row is None:
        raise DeliveryUnknown(delivery)
    return _view(row)


async def replay(db: Executor, scope: Scope, delivery: int, *, by: UUID | None) -> DeliveryView:
    """Have a dead or discarded delivery tried once more, with as many attempts as the first time.

    Later events of the same entity may have been delivered since: the order is not restored.
    Raises DeliveryUnknown, DeliveryNotDead, DeliveryBusy.
    """
    found = await _locked(db, scope, delivery)
    if found.status is not DeliveryStatus.DEAD and found.decision != "discarded":
        raise DeliveryNotDead(delivery, found.status, "replayed")
    await db.execute(_REPLAY, {"id": delivery, "by": by})
    await db.execute(_NOTIFY)
    return await find(db, scope, delivery)


async def replay_all(db: Executor, scope: Scope, choice: Choice, *, by: UUID | None) -> int:
    """The same for every dead letter of the choice; how many."""
    dead = Choice(DeliveryStatus.DEAD, choice.module, choice.event)
    replayed = len((await db.execute(_REPLAY_ALL, {**scope.values(), **dead.values(), "by": by})).all())
    if replayed:
        await db.execute(_NOTIFY)
    return replayed


async def discard(db: Executor, scope: Scope, delivery: int, *, by: UUID | None) -> DeliveryView:
    """Give up a delivery, dead or still being tried; what waits behind it goes on. Raises what `replay` raises."""
    found = await _locked(db, scope, delivery)
    if found.status not in (DeliveryStatus.DEAD, DeliveryStatus.PENDING):
        raise DeliveryNotDead(delivery, found.status, "discarded")
    await db.execute(_DISCARD, {"id": delivery, "by": by})
    await db.execute(_NOTIFY)
    return await find(db, scope, delivery)


async def _locked(db: Executor, scope: Scope, delivery: int) -> DeliveryView:
    await find(db, scope, delivery)
    if (await db.execute(_LOCK, {"id": delivery})).one_or_none() is None:
        raise DeliveryBusy(delivery)
    # As it is now that nobody else can change it.
    return await find(db, scope, delivery)


def _view(row: Any) -> DeliveryView:
    values = dict(row._mapping)
    return DeliveryView(**{**values, "status": DeliveryStatus(values["status"])})

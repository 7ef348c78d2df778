"""What becomes of a request for support access: it arrives, the clinic answers, and the clinic, the platform or time ends it.

Every change is one conditional update by the table of states, so that of two answers at once one wins. Time is level-triggered: whoever
looks first `settle`s what is over, and nothing is let in by a row whose time has passed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, func, literal_column, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import trail
from app.core.auth.models import User
from app.core.auth.trail import Origin
from app.database import set_clinic

from .errors import AccessOver, UnknownAccess
from .models import SupportAccess, SupportRead
from .states import LONGEST, AccessEvent, AccessState, moves

PLATFORM: Final = Origin("platform", None)
HERE: Final = literal_column("(SELECT oid::bigint FROM pg_database WHERE datname = current_database())", BigInteger)
"""This database, by what is given to no other one of its server."""
OF_HERE: Final = func.coalesce(SupportAccess.database_oid, HERE) == HERE
_CLINICS: Final = text("SELECT id FROM clinics WHERE status = 'active' ORDER BY id")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the platform asks for, by its own id."""

    id: UUID
    operator: str
    operator_name: str
    reason: str
    minutes: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """An access with who answered, who ended it, and how much was looked at."""

    access: SupportAccess
    decided_by: str | None
    ended_by: str | None
    reads: int


async def receive(session: AsyncSession, asked: Asked, *, at: datetime) -> SupportAccess:
    """Put a request before the clinic; the same one again changes nothing."""
    values = {
        "id": asked.id,
        "operator": asked.operator,
        "operator_name": asked.operator_name,
        "reason": asked.reason,
        "minutes": asked.minutes,
        "state": AccessState.REQUESTED,
        "requested_at": at,
        "expires_at": asked.expires_at,
        "database_oid": HERE,
    }
    added = await session.scalar(insert(SupportAccess).values(**values).on_conflict_do_nothing().returning(SupportAccess.id))
    if added is not None:
        await _tell_every_clinic(session, "support_requested", access=str(asked.id), operator=asked.operator)
    return await get(session, asked.id, at=at)


async def get(session: AsyncSession, access_id: UUID, *, at: datetime) -> SupportAccess:
    """Raises UnknownAccess."""
    await settle(session, at=at)
    found = await session.get(SupportAccess, access_id, populate_existing=True)
    if found is None:
        raise UnknownAccess(access_id)
    return found


async def accept(
    session: AsyncSession, access_id: UUID, *, by: UUID, origin: Origin, at: datetime, note: str | None = None
) -> SupportAccess:
    """Let support in from now on. Raises UnknownAccess, AccessOver."""
    minutes = (await get(session, access_id, at=at)).minutes
    ends = at + min(timedelta(minutes=minutes), LONGEST)
    access = await _move(session, access_id, AccessEvent.ACCEPTED, at=at, decided_at=at, decided_by=by, note=note, ends_at=ends)
    await trail.record(session, origin, "support_accepted", user_id=by, actor_id=by, access=str(access_id), until=ends.isoformat())
    return access


async def decline(
    session: AsyncSession, access_id: UUID, *, by: UUID, origin: Origin, at: datetime, note: str | None = None
) -> SupportAccess:
    """Raises UnknownAccess, AccessOver."""
    access = await _move(session, access_id, AccessEvent.DECLINED, at=at, decided_at=at, decided_by=by, note=note)
    await trail.record(session, origin, "support_declined", user_id=by, actor_id=by, access=str(access_id))
    return access


async def revoke(session: AsyncSession, access_id: UUID, *, by: UUID, origin: Origin, at: datetime) -> SupportAccess:
    """The clinic ends it: the next request of support is refused. Raises UnknownAccess, AccessOver."""
    access = await _move(session, access_id, AccessEvent.REVOKED, at=at, ended_at=at, ended_by=by, token_hash=None)
    await trail.record(session, origin, "support_revoked", user_id=by, actor_id=by, access=str(access_id))
    return access


async def take_back(session: AsyncSession, access_id: UUID, *, at: datetime) -> SupportAccess:
    """The platform ends it, or takes its request back; over already → nothing. Raises UnknownAccess."""
    try:
        access = await _move(session, access_id, AccessEvent.TAKEN_BACK, at=at, ended_at=at, token_hash=None)
    except AccessOver:
        return await get(session, access_id, at=at)
    await _tell_every_clinic(session, "support_taken_back", access=str(access_id), state=access.state)
    return access


async def settle(session: AsyncSession, *, at: datetime) -> None:
    """Write down what time has ended, and what ended when a backup's data took the place of the clinic's: those were decided since."""
    await _apply(session, AccessEvent.NOBODY_ANSWERED, SupportAccess.expires_at <= at, ended_at=SupportAccess.expires_at)
    await _apply(session, AccessEvent.TIME_OVER, SupportAccess.ends_at <= at, ended_at=SupportAccess.ends_at, token_hash=None)
    for event in (AccessEvent.NOBODY_ANSWERED, AccessEvent.TIME_OVER):
        await _apply(session, event, ~OF_HERE, ended_at=at, token_hash=None)


async def active(session: AsyncSession, *, at: datetime) -> Sequence[SupportAccess]:
    """Those in force now, the one that lasts longest first. Writes nothing."""
    in_force = (SupportAccess.state == AccessState.ACTIVE, SupportAccess.ends_at > at, OF_HERE)
    return (await session.scalars(select(SupportAccess).where(*in_force).order_by(SupportAccess.ends_at.desc()))).all()


async def waits(session: AsyncSession, *, at: datetime) -> bool:
    """Whether a request waits for the clinic's answer. Writes nothing."""
    open_ones = (SupportAccess.state == AccessState.REQUESTED, SupportAccess.expires_at > at, OF_HERE)
    return await session.scalar(select(SupportAccess.id).where(*open_ones).limit(1)) is not None


async def page_of(session: AsyncSession, *, page: int, page_size: int, at: datetime) -> tuple[list[Listed], int]:
    """The newest first."""
    await settle(session, at=at)
    total = await session.scalar(select(func.count()).select_from(SupportAccess)) or 0
    query = select(SupportAccess).order_by(SupportAccess.requested_at.desc(), SupportAccess.id)
    accesses = (await session.scalars(query.limit(page_size).offset((page - 1) * page_size))).all()
    return await _listed(session, accesses), total


async def listed(session: AsyncSession, access_id: UUID, *, at: datetime) -> Listed:
    """Raises UnknownAccess."""
    return (await _listed(session, [await get(session, access_id, at=at)]))[0]


async def _listed(session: AsyncSession, accesses: Sequence[SupportAccess]) -> list[Listed]:
    people = {person for each in accesses for person in (each.decided_by, each.ended_by) if person is not None}
    addresses: dict[UUID | None, str] = {
        row.id: row.email for row in await session.execute(select(User.id, User.email).where(User.id.in_(people)))
    }
    counted = select(SupportRead.access_id, func.count()).where(SupportRead.access_id.in_([each.id for each in accesses]))
    reads: dict[UUID, int] = {row[0]: row[1] for row in await session.execute(counted.group_by(SupportRead.access_id))}
    return [Listed(each, addresses.get(each.decided_by), addresses.get(each.ended_by), reads.get(each.id, 0)) for each in accesses]


async def reads_of(session: AsyncSession, access_id: UUID, *, page: int, page_size: int) -> tuple[Sequence[SupportRead], int]:
    """What was looked at, in order."""
    query = select(SupportRead).where(SupportRead.access_id == access_id)
    total = await session.scalar(select(func.count()).select_from(query.subquery())) or 0
    return (await session.scalars(query.order_by(SupportRead.id).limit(page_size).offset((page - 1) * page_size))).all(), total


async def _move(session: AsyncSession, access_id: UUID, on: AccessEvent, *, at: datetime, **values: Any) -> SupportAccess:
    access = await get(session, access_id, at=at)
    if not await _apply(session, on, SupportAccess.id == access_id, **values):
        access = await get(session, access_id, at=at)
        raise AccessOver(access_id, access.state)
    return await get(session, access_id, at=at)


async def _apply(session: AsyncSession, on: AccessEvent, *which: ColumnElement[bool], **values: Any) -> int:
    """Take the transition wherever it may be taken; how many took it."""
    taken = 0
    for move in moves(on):
        changed = (
            update(SupportAccess)
            .where(SupportAccess.state == move.source, *which)
            .values(state=move.target, **values)
            .returning(SupportAccess.id)
            .execution_options(synchronize_session=False)
        )
        taken += len((await session.scalars(changed)).all())
    return taken


async def _tell_every_clinic(session: AsyncSession, event: str, **details: str) -> None:
    """A line in every clinic's trail: what the platform does belongs to no person of theirs. Leaves the session without a clinic."""
    for (clinic_id,) in (await session.execute(_CLINICS)).all():
        await set_clinic(session, clinic_id)
        await trail.record(session, PLATFORM, event, user_id=None, clinic_id=clinic_id, actor_id=None, **details)
    await set_clinic(session, None)

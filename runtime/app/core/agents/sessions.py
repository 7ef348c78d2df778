"""Sessions: one run of an agent, or everything one credential of an assistant does. Limits count within a session; ending it stops it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clinics.models import Clinic
from app.database import Database, unit_of_work

from .context import AgentContext
from .errors import SessionNotFound
from .models import AgentApproval, AgentAuditLog, AgentSession

LONGEST_RUN: Final = timedelta(minutes=15)
"""A run that has not ended by then is cancelled; one whose process died is shown as failed from then on."""
KEPT: Final = timedelta(days=730)
"""How long sessions and the trail are kept: access to health records is accounted for over two years."""
APPROVALS_KEPT: Final = timedelta(days=90)
"""Approvals hold results, which the trail does not."""


async def open_session(session: AsyncSession, ctx: AgentContext, *, deadline: timedelta | None = None) -> UUID:
    """A session of its own for one run; what is past its retention in this clinic is cleared away."""
    await forget_old(session, ctx.clinic_id)
    session_id = uuid4()
    await session.execute(
        insert(AgentSession).values(
            id=session_id,
            clinic_id=ctx.clinic_id,
            agent=ctx.agent,
            user_id=ctx.user_id,
            mode=ctx.mode.value,
            deadline_at=None if deadline is None else func.now() + deadline,
        )
    )
    return session_id


async def running(session: AsyncSession, clinic_id: UUID, agent: str, user_id: UUID | None) -> UUID | None:
    """The session of a run of this agent for this person that goes on; until the transaction ends, no other one is opened."""
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"agents:{clinic_id}:{agent}:{user_id}", 0))))
    return await session.scalar(
        select(AgentSession.id).where(
            AgentSession.clinic_id == clinic_id,
            AgentSession.agent == agent,
            AgentSession.user_id.is_not_distinct_from(user_id),
            AgentSession.status == "active",
            AgentSession.deadline_at > func.now(),
        )
    )


async def session_of_credential(session: AsyncSession, ctx: AgentContext) -> UUID:
    """The one session of a token, opened with its first call; it stays the same for good, also once it was ended."""
    known = select(AgentSession.id).where(AgentSession.clinic_id == ctx.clinic_id, AgentSession.credential_id == ctx.credential_id)
    found = await session.scalar(known)
    if found is None:
        await forget_old(session, ctx.clinic_id)
        values = {
            "clinic_id": ctx.clinic_id,
            "agent": ctx.agent,
            "user_id": ctx.user_id,
            "credential_id": ctx.credential_id,
            "mode": ctx.mode.value,
        }
        await session.execute(insert(AgentSession).values(**values).on_conflict_do_nothing())
        found = await session.scalar(known)
    assert found is not None
    return found


async def finish(session: AsyncSession, session_id: UUID, *, ok: bool, summary: str) -> None:
    """Note how a run ended, unless somebody ended it before."""
    await session.execute(
        update(AgentSession)
        .where(AgentSession.id == session_id, AgentSession.status == "active")
        .values(status="done" if ok else "failed", summary=summary[:2000], ended_at=func.now())
        .execution_options(synchronize_session=False)
    )


async def end(session: AsyncSession, clinic_id: UUID, session_id: UUID, *, actor: UUID, anybodys: bool) -> AgentSession:
    """Stop a session: its next call is refused, and what it left waiting is rejected. Raises SessionNotFound."""
    found = await find(session, clinic_id, session_id, actor=actor, anybodys=anybodys, lock=True)
    if found.status == "active":
        found.status, found.summary = "ended", "Ended by a person."
        found.ended_at = await session.scalar(select(func.now()))
        await session.execute(
            update(AgentApproval)
            .where(AgentApproval.session_id == session_id, AgentApproval.status == "pending")
            .values(status="rejected", decided_by=actor, decided_at=func.now(), note="The session was ended.")
            .execution_options(synchronize_session=False)
        )
        await session.flush()
    return found


async def find(
    session: AsyncSession, clinic_id: UUID, session_id: UUID, *, actor: UUID, anybodys: bool, lock: bool = False
) -> AgentSession:
    """One's own session, or anybody's for who may see all. Raises SessionNotFound."""
    query = select(AgentSession).where(AgentSession.clinic_id == clinic_id, AgentSession.id == session_id)
    found = (await session.scalars(query.with_for_update() if lock else query)).one_or_none()
    if found is None or not (anybodys or found.user_id == actor):
        raise SessionNotFound(session_id)
    return found


async def forget_old(session: AsyncSession, clinic_id: UUID) -> None:
    """Delete what is past its retention in this clinic; the database refuses to delete anything younger."""
    for model, moment, kept in (
        (AgentAuditLog, AgentAuditLog.created_at, KEPT),
        (AgentSession, AgentSession.started_at, KEPT),
        (AgentApproval, AgentApproval.created_at, APPROVALS_KEPT),
    ):
        await session.execute(
            delete(model)
            .where(model.__table__.c.clinic_id == clinic_id, moment < func.now() - kept)
            .execution_options(synchronize_session=False)
        )


async def forget_everywhere(database: Database) -> None:
    """`forget_old` for every clinic, one transaction each: a request role sees the rows of one clinic at a time."""
    async with unit_of_work(database=database) as session:
        clinics = (await session.scalars(select(Clinic.id))).all()
    for clinic_id in clinics:
        async with unit_of_work(clinic_id, database=database) as session:
            await forget_old(session, clinic_id)


def status_of(row: AgentSession) -> str:
    """A run whose process died did not end well, though nobody was left to write that down."""
    late = row.deadline_at is not None and row.deadline_at <= datetime.now(UTC)
    return "failed" if row.status == "active" and late else row.status


async def listed(
    session: AsyncSession, clinic_id: UUID, *, viewer: UUID, anybodys: bool, page: int, page_size: int
) -> tuple[Sequence[AgentSession], int]:
    """One page, newest first, and how many there are: one's own, or everybody's."""
    conditions = [AgentSession.clinic_id == clinic_id]
    if not anybodys:
        conditions.append(AgentSession.user_id == viewer)
    total = await session.scalar(select(func.count()).select_from(AgentSession).where(*conditions))
    query = select(AgentSession).where(*conditions).order_by(AgentSession.started_at.desc(), AgentSession.id)
    return (await session.scalars(query.offset((page - 1) * page_size).limit(page_size))).all(), total or 0


async def trail(
    session: AsyncSession, clinic_id: UUID, *, session_id: UUID | None, tool: str | None, user_id: UUID | None, page: int, page_size: int
) -> tuple[Sequence[AgentAuditLog], int]:
    """One page of the clinic's calls, newest first, and how many there are."""
    conditions = [AgentAuditLog.clinic_id == clinic_id]
    for column, value in ((AgentAuditLog.session_id, session_id), (AgentAuditLog.tool, tool), (AgentAuditLog.user_id, user_id)):
        if value is not None:
            conditions.append(column == value)
    total = await session.scalar(select(func.count()).select_from(AgentAuditLog).where(*conditions))
    query = select(AgentAuditLog).where(*conditions).order_by(AgentAuditLog.id.desc())
    return (await session.scalars(query.offset((page - 1) * page_size).limit(page_size))).all(), total or 0

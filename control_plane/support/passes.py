"""The periodic look at every unfinished support request: bring it to the runtime, hear the clinic's answer, end it."""

from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select

from control_plane.deployers.base import DeployerUnavailable
from control_plane.operations.steps.base import Tools
from control_plane.platform import Platform
from control_plane.support.asking import Away, Question, Refused, Told, ask
from control_plane.support.models import SupportRequest
from control_plane.support.service import WAKE_EVERY, hear, question_of
from control_plane.support.states import UNFINISHED, SupportState

AT_ONCE: Final = 100


async def look(tools: Tools) -> None:
    """Ask the runtime about each request that is due; one that sleeps is left alone for a while."""
    platform = tools.platform
    now = platform.clock.now()
    due = select(SupportRequest).where(SupportRequest.state.in_(UNFINISHED), SupportRequest.due_at <= now)
    async with platform.database.transaction() as session:
        found = list(await session.scalars(due.order_by(SupportRequest.due_at)))
    if not found:
        return
    awake = await _awake(platform)
    # Those that rest stay due: counted among them they would leave no place for the others.
    for request in [one for one in found if not _rests(one, awake, now)][:AT_ONCE]:
        await _look_at(platform, question_of(request))


async def _look_at(platform: Platform, question: Question) -> None:
    answer = await ask(platform.deployer, platform.key, question)
    written = await _write(platform, question, answer)
    if not written and question.state is SupportState.SENDING and isinstance(answer, Told):
        # Taken back while it was on its way: the runtime may have heard of that first, and of the request after it.
        await ask(platform.deployer, platform.key, replace(question, state=SupportState.CLOSING))


def _rests(request: SupportRequest, awake: set[UUID], now: datetime) -> bool:
    """Whether its runtime sleeps and need not be woken yet: nobody can have answered there meanwhile."""
    if request.tenant_id in awake or request.state in (SupportState.SENDING, SupportState.CLOSING):
        return False
    return request.looked_at is not None and now < min(request.looked_at + WAKE_EVERY, request.deadline)


async def _awake(platform: Platform) -> set[UUID]:
    try:
        return set(await platform.deployer.control_channels())
    except DeployerUnavailable:
        return set()


async def _write(platform: Platform, question: Question, answer: Told | Away | Refused) -> bool:
    """Whether it was; not where somebody moved it on while the runtime was asked: the next look asks anew."""
    async with platform.database.transaction() as session:
        query = select(SupportRequest).where(SupportRequest.id == question.id, SupportRequest.state == question.state)
        request = await session.scalar(query.with_for_update())
        if request is not None:
            await hear(session, request, answer, at=platform.clock.now())
        return request is not None

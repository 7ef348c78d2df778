"""Calls that wait for a person. Approving executes: the decision, the tool's effects and the trail are one transaction.

A person decides about what their own assistant asks for, or, with `agents.approvals.write`, about what anybody's does; in both cases only
about tools they may use themselves. What is executed is limited by the rights of who asked, as they are at that moment.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import func, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import modes
from app.core.auth.permissions import Permissions
from app.database import DatabaseUnavailable, unit_of_work
from dentalpin_kit.problems import DomainError, TemporaryError

from . import gate
from .catalogue import known_agents
from .context import AgentContext
from .errors import (
    AgentDisabled,
    AgentError,
    ApprovalDecided,
    ApprovalExpired,
    ApprovalNotFound,
    MayNotDecide,
    ToolPermissionDenied,
)
from .models import AgentApproval, AgentAuditLog
from .principals import permissions_now
from .settings import Setting, default_setting, setting_of
from .tools.base import ToolCategory, ToolError
from .tools.registry import RegisteredTool, ToolRegistry, described_failure

SEE_ALL: Final = "agents.approvals.read"
DECIDE_ALL: Final = "agents.approvals.write"
PENDING, REJECTED, EXECUTED, FAILED, EXPIRED = "pending", "rejected", "executed", "failed", "expired"


def status_of(approval: AgentApproval) -> str:
    """The status with what time has done to it; `expired` is never stored, so that nothing has to run for it."""
    return EXPIRED if approval.status == PENDING and approval.expires_at <= datetime.now(UTC) else approval.status


async def listed(
    session: AsyncSession, clinic_id: UUID, *, viewer: UUID, anybodys: bool, status: str | None, page: int, page_size: int
) -> tuple[Sequence[AgentApproval], int]:
    """One page, newest first, and how many there are: one's own, or everybody's."""
    conditions = [AgentApproval.clinic_id == clinic_id]
    if not anybodys:
        conditions.append(AgentApproval.user_id == viewer)
    if status is not None:
        stored = PENDING if status == EXPIRED else status
        conditions.append(AgentApproval.status == stored)
        if stored == PENDING:
            late = AgentApproval.expires_at <= func.now()
            conditions.append(late if status == EXPIRED else ~late)
    total = await session.scalar(select(func.count()).select_from(AgentApproval).where(*conditions))
    query = select(AgentApproval).where(*conditions).order_by(AgentApproval.created_at.desc(), AgentApproval.id)
    rows = await session.scalars(query.offset((page - 1) * page_size).limit(page_size))
    return rows.all(), total or 0


async def find(
    session: AsyncSession, clinic_id: UUID, approval_id: UUID, *, viewer: UUID | None, anybodys: bool, lock: bool = False
) -> AgentApproval:
    """One's own approval, or anybody's for who may see all. Raises ApprovalNotFound."""
    query = select(AgentApproval).where(AgentApproval.clinic_id == clinic_id, AgentApproval.id == approval_id)
    if not anybodys:
        query = query.where(AgentApproval.user_id == viewer)
    found = (await session.scalars(query.with_for_update() if lock else query)).one_or_none()
    if found is None:
        raise ApprovalNotFound(approval_id)
    return found


async def reject(
    session: AsyncSession, clinic_id: UUID, approval_id: UUID, *, decider: UUID, held: Permissions, note: str
) -> AgentApproval:
    """Nothing happens, for good. Raises ApprovalNotFound, ApprovalDecided, MayNotDecide."""
    found = await find(session, clinic_id, approval_id, viewer=decider, anybodys=SEE_ALL in held, lock=True)
    _check_open(found)
    if found.user_id != decider and DECIDE_ALL not in held:
        raise MayNotDecide(found.tool)
    _decide(found, REJECTED, decider, note)
    await session.flush()
    return found


async def approve(
    tools: ToolRegistry, clinic_id: UUID, approval_id: UUID, *, decider: UUID, held: Permissions, note: str = ""
) -> AgentApproval:
    """Execute the call. The approval is then `executed` with the result, or `failed` with the code of the refusal and no effect.

    Raises ApprovalNotFound, ApprovalDecided, ApprovalExpired, MayNotDecide, ToolUnknown (its module is gone; it goes on waiting),
    AgentDisabled, and what is temporary: then it goes on waiting too.
    """
    try:
        async with unit_of_work(clinic_id, database=tools.database) as db:
            return await _execute(db, tools, clinic_id, approval_id, decider=decider, held=held, note=note)
    except _Failed as failure:
        async with unit_of_work(clinic_id, database=tools.database) as db:
            found = await find(db, clinic_id, approval_id, viewer=decider, anybodys=True, lock=True)
            _check_open(found)
            _decide(found, FAILED, decider, note)
            found.code = failure.problem.code[:80]
            await _record(db, found, failure.params, "failed", decider, failure.problem.code)
            await db.flush()
            return found


class _Failed(Exception):
    """Takes the transaction back; what it carries is written in another."""

    def __init__(self, problem: ToolError, params: BaseModel | None) -> None:
        super().__init__(problem.code)
        self.problem = problem
        self.params = params


async def _execute(
    db: AsyncSession, tools: ToolRegistry, clinic_id: UUID, approval_id: UUID, *, decider: UUID, held: Permissions, note: str
) -> AgentApproval:
    found = await find(db, clinic_id, approval_id, viewer=decider, anybodys=SEE_ALL in held, lock=True)
    _check_open(found)
    tool = tools.get(found.tool)
    if any(permission not in held for permission in tool.tool.permissions) or (found.user_id != decider and DECIDE_ALL not in held):
        raise MayNotDecide(found.tool)
    ctx, setting = await _asker(db, tools, found)
    if not setting.enabled:
        raise AgentDisabled(found.agent)
    params: BaseModel | None = None
    try:
        missing = [permission for permission in tool.tool.permissions if permission not in ctx.permissions]
        if missing:
            raise ToolPermissionDenied(found.tool, missing)
        modes.refuse("assist")
        modes.refuse("read" if tool.tool.category is ToolCategory.READ else "write")
        params = gate.validated(found.tool, tool.tool, found.arguments)
        result = await tools.perform(db, ctx, tool, params)
    except Exception as error:
        raise await _as_failure(tool, error, params) from error
    _decide(found, EXECUTED, decider, note)
    found.result = result
    await _record(db, found, params, "completed", decider)
    await db.flush()
    return found


async def _as_failure(tool: RegisteredTool, error: Exception, params: BaseModel | None) -> Exception:
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        # Nothing was committed, so that the same approval can be given again.
        return DatabaseUnavailable()
    if isinstance(error, AgentError):
        return _Failed(ToolError(error.code, error.message), params)
    problem = described_failure(tool, error)
    if isinstance(error, TemporaryError | modes.ModeForbids) or problem.code in ("busy", "took_too_long"):
        # What passes by itself is tried again by the person, with the same approval.
        return error if isinstance(error, DomainError) else TemporaryError(problem.message)
    return _Failed(problem, params)


async def _asker(db: AsyncSession, tools: ToolRegistry, found: AgentApproval) -> tuple[AgentContext, Setting]:
    ctx = AgentContext(
        clinic_id=found.clinic_id,
        user_id=found.user_id,
        agent=found.agent,
        session_id=found.session_id,
        scopes=None if found.scopes is None else tuple(found.scopes),
        tools=tools,
    )
    setting = await setting_of(db, found.clinic_id, found.agent, default_setting(known_agents(tools.modules).get(found.agent), ctx))
    ctx = replace(ctx, mode=setting.mode, role=setting.role, guardrails=setting.guardrails)
    return replace(ctx, permissions=await permissions_now(db, ctx, tools.modules)), setting


def _check_open(found: AgentApproval) -> None:
    status = status_of(found)
    if status == EXPIRED:
        raise ApprovalExpired(found.id)
    if status != PENDING:
        raise ApprovalDecided(found.id, status)


def _decide(found: AgentApproval, status: str, decider: UUID, note: str) -> None:
    found.status, found.decided_by, found.note = status, decider, note
    found.decided_at = datetime.now(UTC)


async def _record(
    db: AsyncSession, found: AgentApproval, params: BaseModel | None, status: str, decider: UUID, code: str | None = None
) -> None:
    await db.execute(
        insert(AgentAuditLog).values(
            clinic_id=found.clinic_id,
            session_id=found.session_id,
            agent=found.agent,
            user_id=found.user_id,
            mode="supervised",
            tool=found.tool,
            category=found.category,
            arguments=found.arguments if params is None else gate.as_stored(params),
            status=status,
            code=None if code is None else code[:80],
            approval_id=found.id,
            approved_by=decider,
            finished_at=func.now(),
        )
    )

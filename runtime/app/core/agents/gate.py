"""The gate every call passes: in one transaction it checks the session, the limits, the clinic's choice, the person's rights, the
guardrails and the arguments, and writes down what came of it. Whoever wants a tool's handler to run needs the entry it makes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ValidationError
from sqlalchemy import and_, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import modes
from app.core.auth.permissions import Permissions
from app.core.plugins.registry import ModuleRegistry
from app.database import Database, unit_of_work
from dentalpin_kit.problems import DomainError

from . import sessions
from .catalogue import known_agents
from .context import AgentContext
from .errors import (
    AgentDisabled,
    AgentError,
    AgentSessionEnded,
    ArgumentsInvalid,
    SessionExhausted,
    ToolBlocked,
    ToolNotAllowed,
    ToolPermissionDenied,
    ToolUnknown,
    TooManyActions,
)
from .guardrails import MINUTE, GuardrailConfig
from .models import AgentApproval, AgentAuditLog, AgentSession
from .principals import permissions_now
from .settings import Setting, default_setting, setting_of
from .tools.base import Tool, ToolCategory

LONGEST_ARGUMENTS: Final = 256 * 1024
"""Characters of a call's arguments as JSON."""


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked for. `tool` is None if there is no such tool here."""

    name: str
    tool: Tool | None
    arguments: Mapping[str, Any] | str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """What the gate decided: the handler may run with `params` under `audit_id`, or the call waits, or it is refused."""

    ctx: AgentContext
    audit_id: int
    params: BaseModel | None = None
    approval_id: UUID | None = None
    refusal: DomainError | None = None


async def enter(ctx: AgentContext, call: Call, registry: ModuleRegistry, database: Database | None) -> Entry:
    """Decide about one call and write it down. Calls of one session pass one after the other, so that their limits hold.

    Raises TooManyActions and SessionExhausted, the only refusals that leave no trace: a flood must not fill the trail.
    """
    async with unit_of_work(ctx.clinic_id, database=database) as db:
        entry = await _decide(db, replace(ctx, session_id=await _session(db, ctx)), call, registry)
    # Only now does the session exist for good.
    ctx.session_id = entry.ctx.session_id
    return entry


async def _decide(db: AsyncSession, ctx: AgentContext, call: Call, registry: ModuleRegistry) -> Entry:
    assert ctx.session_id is not None
    state = await db.scalar(select(AgentSession.status).where(AgentSession.id == ctx.session_id).with_for_update())
    known = known_agents(registry).get(ctx.agent)
    setting = await setting_of(db, ctx.clinic_id, ctx.agent, default_setting(known, ctx))
    await _check_limits(db, ctx.session_id, setting.guardrails)
    held = await permissions_now(db, replace(ctx, role=setting.role or ctx.role), registry)
    acting = replace(ctx, permissions=held, mode=setting.mode, guardrails=setting.guardrails)
    try:
        if state != "active":
            raise AgentSessionEnded
        params = admit(acting, call, setting, held)
    except (AgentError, modes.ModeForbids) as refusal:
        return Entry(acting, await _record(db, acting, call, "refused", code=refusal.code), refusal=refusal)
    assert call.tool is not None
    if not setting.guardrails.needs_approval(call.name, call.tool.category, setting.mode):
        return Entry(acting, await _record(db, acting, call, "started", params=params), params=params)
    approval_id = await _queue(db, acting, call, call.tool, params, setting.guardrails)
    return Entry(acting, await _record(db, acting, call, "waiting", params=params, approval_id=approval_id), params, approval_id)


def admit(ctx: AgentContext, call: Call, setting: Setting, held: Permissions) -> BaseModel:
    """The validated arguments of a call that may happen, or be asked for. Raises the refusal, the first that applies."""
    if not setting.enabled:
        raise AgentDisabled(ctx.agent)
    if call.tool is None:
        raise ToolUnknown(call.name)
    if ctx.allowed_tools is not None and call.name not in ctx.allowed_tools:
        raise ToolNotAllowed(call.name, ctx.agent)
    missing = [permission for permission in call.tool.permissions if permission not in held]
    if missing:
        raise ToolPermissionDenied(call.name, missing)
    modes.refuse("assist")
    modes.refuse("read" if call.tool.category is ToolCategory.READ else "write")
    if setting.guardrails.blocks(call.name):
        raise ToolBlocked(call.name, ctx.agent)
    return validated(call.name, call.tool, call.arguments)


def validated(name: str, tool: Tool, arguments: Mapping[str, Any] | str | None) -> BaseModel:
    """The arguments as the tool's model. Some providers send them as the text of a JSON object. Raises ArgumentsInvalid."""
    try:
        given = json.loads(arguments or "{}") if isinstance(arguments, str) else dict(arguments or {})
        text = json.dumps(given, default=str, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise _invalid(name, "", "they are one JSON object") from error
    if len(text) > LONGEST_ARGUMENTS:
        raise _invalid(name, "", f"they are longer than {LONGEST_ARGUMENTS} characters; send less at once")
    if "\x00" in text or "\\u0000" in text:
        raise _invalid(name, "", "a text contains a NUL character")
    try:
        return tool.parameters.model_validate(given)
    except ValidationError as error:
        # Neither input nor context: they repeat what was sent.
        items = error.errors(include_url=False, include_input=False, include_context=False)
        found = [{"code": "invalid", "field": ".".join(map(str, item["loc"])), "message": item["msg"]} for item in items]
        raise ArgumentsInvalid(name, found) from None


async def close(db: AsyncSession, audit_id: int, status: str, code: str | None = None) -> None:
    """Note how a call ended, in the transaction that did its work, or in one of its own if that was rolled back."""
    await db.execute(
        update(AgentAuditLog)
        .where(AgentAuditLog.id == audit_id)
        .values(status=status, code=code, finished_at=func.clock_timestamp())
        .execution_options(synchronize_session=False)
    )


async def _session(db: AsyncSession, ctx: AgentContext) -> UUID:
    if ctx.session_id is not None:
        return ctx.session_id
    if ctx.credential_id is not None:
        return await sessions.session_of_credential(db, ctx)
    return await sessions.open_session(db, ctx)


async def _check_limits(db: AsyncSession, session_id: UUID, guardrails: GuardrailConfig) -> None:
    # An approved call was counted when it was asked for.
    of_session = and_(AgentAuditLog.session_id == session_id, AgentAuditLog.approved_by.is_(None))
    if guardrails.max_actions_per_session is not None:
        used = await db.scalar(select(func.count()).where(of_session))
        if used is not None and used >= guardrails.max_actions_per_session:
            raise SessionExhausted(guardrails.max_actions_per_session)
    within = AgentAuditLog.created_at > func.now() - timedelta(seconds=MINUTE)
    oldest_first = select(func.extract("epoch", func.now() - AgentAuditLog.created_at)).where(of_session, within)
    newest = (await db.scalars(oldest_first.order_by(AgentAuditLog.id.desc()).limit(guardrails.max_actions_per_minute))).all()
    if len(newest) >= guardrails.max_actions_per_minute:
        raise TooManyActions(guardrails.max_actions_per_minute, max(1, MINUTE - int(newest[-1])))


async def _record(
    db: AsyncSession,
    ctx: AgentContext,
    call: Call,
    status: str,
    *,
    params: BaseModel | None = None,
    code: str | None = None,
    approval_id: UUID | None = None,
) -> int:
    statement = insert(AgentAuditLog).values(
        clinic_id=ctx.clinic_id,
        session_id=ctx.session_id,
        agent=ctx.agent,
        user_id=ctx.user_id,
        mode=ctx.mode.value,
        # What a model makes up is no name of ours: printable, and no longer than the column.
        tool="".join(character for character in call.name if character.isprintable())[:160],
        category=call.tool.category.value if call.tool is not None else None,
        arguments={} if params is None else as_stored(params),
        status=status,
        code=code,
        approval_id=approval_id,
        finished_at=None if status == "started" else func.now(),
    )
    found: int = (await db.execute(statement.returning(AgentAuditLog.id))).scalar_one()
    return found


async def _queue(db: AsyncSession, ctx: AgentContext, call: Call, tool: Tool, params: BaseModel, guardrails: GuardrailConfig) -> UUID:
    statement = insert(AgentApproval).values(
        clinic_id=ctx.clinic_id,
        session_id=ctx.session_id,
        agent=ctx.agent,
        user_id=ctx.user_id,
        scopes=None if ctx.scopes is None else list(ctx.scopes),
        tool=call.name,
        category=ToolCategory(tool.category).value,
        arguments=as_stored(params),
        expires_at=func.now() + timedelta(hours=guardrails.approval_hours),
    )
    found: UUID = (await db.execute(statement.returning(AgentApproval.id))).scalar_one()
    return found


def as_stored(params: BaseModel) -> dict[str, Any]:
    """The arguments as JSON, without what was not given: read back, they are the same call."""
    return params.model_dump(mode="json", exclude_unset=True)


def _invalid(name: str, field: str, message: str) -> ArgumentsInvalid:
    return ArgumentsInvalid(name, [{"code": "invalid", "field": field, "message": message}])

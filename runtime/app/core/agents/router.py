"""`/api/v1/agents`: which agents act in this clinic and how, their runs, what waits for a person, and the trail of every call.

What stands under `/-/` belongs to all agents, as in `/api/v1/modules`. A personal access token opens none of these routes.
"""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth.dependencies import ClinicContext, get_clinic_context, require_permission
from app.core.auth.permissions import RoleGrants
from app.core.roles.service import find_role, refuse_beyond
from app.core.schemas import ApiResponse, PaginatedApiResponse
from app.database import get_db

from . import approvals, sessions
from .catalogue import known_agent, known_agents
from .context import AgentContext
from .principals import USE
from .runner import AgentRunner
from .schemas import (
    AgentChoice,
    AgentOut,
    ApprovalOut,
    ApprovalStatus,
    AuditOut,
    Decision,
    RunOut,
    RunRequest,
    SessionOut,
    ToolOut,
)
from .settings import Setting, choose, default_setting, setting_of, settings_of
from .tools.registry import ToolRegistry
from .tools.schemas import described

router = APIRouter(prefix="/agents", tags=["agents"])

Db = Annotated[AsyncSession, Depends(get_db)]
Clinic = Annotated[ClinicContext, Depends(get_clinic_context)]
MayUse = Annotated[None, Depends(require_permission(USE))]
MayRead = Annotated[None, Depends(require_permission("agents.read"))]
MayWrite = Annotated[None, Depends(require_permission("agents.write"))]
Page = Annotated[int, Query(ge=1, le=100_000)]
PageSize = Annotated[int, Query(ge=1, le=100)]


def _tools(request: Request) -> ToolRegistry:
    tools: ToolRegistry = request.app.state.tools
    return tools


def _runner(request: Request) -> AgentRunner:
    runner: AgentRunner = request.app.state.agents
    return runner


Tools = Annotated[ToolRegistry, Depends(_tools)]
Runner = Annotated[AgentRunner, Depends(_runner)]


@router.get("", summary="Every agent known here, and how this clinic runs it")
async def list_agents(ctx: Clinic, _: MayRead, db: Db, tools: Tools) -> ApiResponse[list[AgentOut]]:
    chosen = await settings_of(db, ctx.clinic_id)
    known = known_agents(tools.modules).values()
    return ApiResponse(data=[AgentOut.of(agent, chosen.get(agent.name) or default_setting(agent)) for agent in known])


@router.get("/-/tools", summary="The tools this person may use, as a model provider's API takes them")
async def list_tools(
    ctx: Clinic, _: MayUse, tools: Tools, dialect: Literal["anthropic", "openai"] = "anthropic"
) -> ApiResponse[list[ToolOut]]:
    available = tools.available(AgentContext(ctx.clinic_id, ctx.user_id, ctx.permissions))
    return ApiResponse(
        data=[
            ToolOut(
                name=found.qualified,
                category=found.tool.category,
                permissions=list(found.tool.permissions),
                definition=described(found.legal, found.tool, dialect),
            )
            for found in available
        ]
    )


@router.get("/-/sessions", summary="One's own sessions; with agents.read, everybody's")
async def list_sessions(ctx: Clinic, _: MayUse, db: Db, page: Page = 1, page_size: PageSize = 20) -> PaginatedApiResponse[SessionOut]:
    rows, total = await sessions.listed(
        db, ctx.clinic_id, viewer=ctx.user_id, anybodys="agents.read" in ctx.permissions, page=page, page_size=page_size
    )
    return PaginatedApiResponse(data=[SessionOut.of(row) for row in rows], total=total, page=page, page_size=page_size)


@router.get("/-/sessions/{session_id}", summary="One session")
async def get_session(ctx: Clinic, _: MayUse, db: Db, session_id: UUID) -> ApiResponse[SessionOut]:
    found = await sessions.find(db, ctx.clinic_id, session_id, actor=ctx.user_id, anybodys="agents.read" in ctx.permissions)
    return ApiResponse(data=SessionOut.of(found))


@router.post("/-/sessions/{session_id}/end", summary="Stop a session: no further call, and what waits is rejected")
async def end_session(ctx: Clinic, _: MayUse, db: Db, session_id: UUID) -> ApiResponse[SessionOut]:
    ended = await sessions.end(db, ctx.clinic_id, session_id, actor=ctx.user_id, anybodys="agents.write" in ctx.permissions)
    return ApiResponse(data=SessionOut.of(ended))


@router.get("/-/approvals", summary="What waits or waited for a person: one's own; with agents.approvals.read, everybody's")
async def list_approvals(
    ctx: Clinic, _: MayUse, db: Db, status: ApprovalStatus | None = None, page: Page = 1, page_size: PageSize = 20
) -> PaginatedApiResponse[ApprovalOut]:
    rows, total = await approvals.listed(
        db,
        ctx.clinic_id,
        viewer=ctx.user_id,
        anybodys=approvals.SEE_ALL in ctx.permissions,
        status=status,
        page=page,
        page_size=page_size,
    )
    return PaginatedApiResponse(data=[ApprovalOut.of(row) for row in rows], total=total, page=page, page_size=page_size)


@router.get("/-/approvals/{approval_id}", summary="One call that waits or waited")
async def get_approval(ctx: Clinic, _: MayUse, db: Db, approval_id: UUID) -> ApiResponse[ApprovalOut]:
    found = await approvals.find(db, ctx.clinic_id, approval_id, viewer=ctx.user_id, anybodys=approvals.SEE_ALL in ctx.permissions)
    return ApiResponse(data=ApprovalOut.of(found))


@router.post("/-/approvals/{approval_id}/approve", summary="Execute the call; answers what came of it")
async def approve(ctx: Clinic, _: MayUse, tools: Tools, approval_id: UUID, decision: Decision) -> ApiResponse[ApprovalOut]:
    decided = await approvals.approve(tools, ctx.clinic_id, approval_id, decider=ctx.user_id, held=ctx.permissions, note=decision.note)
    return ApiResponse(data=ApprovalOut.of(decided))


@router.post("/-/approvals/{approval_id}/reject", summary="The call does not happen")
async def reject(ctx: Clinic, _: MayUse, db: Db, approval_id: UUID, decision: Decision) -> ApiResponse[ApprovalOut]:
    decided = await approvals.reject(db, ctx.clinic_id, approval_id, decider=ctx.user_id, held=ctx.permissions, note=decision.note)
    return ApiResponse(data=ApprovalOut.of(decided))


@router.get("/-/audit", summary="The trail of every tool call in this clinic, newest first")
async def list_audit(
    ctx: Clinic,
    _: Annotated[None, Depends(require_permission("agents.audit.read"))],
    db: Db,
    session_id: UUID | None = None,
    tool: Annotated[str | None, Query(max_length=160, pattern=r"^[^\x00]*$")] = None,
    user_id: UUID | None = None,
    page: Page = 1,
    page_size: PageSize = 50,
) -> PaginatedApiResponse[AuditOut]:
    rows, total = await sessions.trail(db, ctx.clinic_id, session_id=session_id, tool=tool, user_id=user_id, page=page, page_size=page_size)
    return PaginatedApiResponse(data=[AuditOut.model_validate(row) for row in rows], total=total, page=page, page_size=page_size)


@router.get("/{name}", summary="One agent, and how this clinic runs it")
async def get_agent(name: str, ctx: Clinic, _: MayRead, db: Db, tools: Tools) -> ApiResponse[AgentOut]:
    known = known_agent(tools.modules, name)
    return ApiResponse(data=AgentOut.of(known, await setting_of(db, ctx.clinic_id, name, default_setting(known))))


@router.put("/{name}", summary="Choose how this clinic runs an agent; holds from its next call on")
async def put_agent(name: str, choice: AgentChoice, ctx: Clinic, _: MayWrite, db: Db, tools: Tools) -> ApiResponse[AgentOut]:
    known = known_agent(tools.modules, name)
    if choice.role is not None:
        role = await find_role(db, ctx.clinic_id, choice.role)
        grants = RoleGrants(role.based_on, tuple(role.granted), tuple(role.denied))
        refuse_beyond(grants, own=ctx.permissions, modules=tools.modules)
    setting = Setting(choice.enabled, choice.mode, choice.role, choice.guardrails or known.guardrails, chosen=True)
    await choose(db, ctx.clinic_id, name, setting, actor=ctx.user_id)
    return ApiResponse(data=AgentOut.of(known, setting))


@router.post("/{name}/run", status_code=202, summary="Start an agent with one's own rights; its session says how it goes")
async def run(name: str, asked: RunRequest, ctx: Clinic, _: MayUse, runner: Runner) -> ApiResponse[RunOut]:
    session_id = await runner.start(name, ctx.clinic_id, user_id=ctx.user_id, given=asked.input)
    return ApiResponse(data=RunOut(session_id=session_id), message=f"Started. GET /api/v1/agents/-/sessions/{session_id} says how it goes.")

"""The core's own tools. An assistant uses them to follow up on a call that waited for a person."""

from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, Field

from . import approvals
from .context import AgentContext
from .principals import USE
from .tools.base import Tool, ToolCategory

NAMESPACE: Final = "agents"


class CheckApprovalArgs(BaseModel):
    approval_id: UUID = Field(description="The approval_id that the waiting call answered.")


async def _check_approval(ctx: AgentContext, params: CheckApprovalArgs) -> dict[str, Any]:
    found = await approvals.find(ctx.db, ctx.clinic_id, params.approval_id, viewer=ctx.user_id, anybodys=False)
    return {
        "approval_id": found.id,
        "tool": found.tool,
        "status": approvals.status_of(found),
        "decided_at": found.decided_at,
        "note": found.note,
        "error": found.code,
        "result": found.result,
    }


OWN_TOOLS: Final = (
    Tool(
        name="check_approval",
        description=(
            "Find out what became of a tool call that had to wait for a person's approval: pending, rejected, expired, failed or "
            "executed, and then its result. Changes nothing and approves nothing."
        ),
        parameters=CheckApprovalArgs,
        handler=_check_approval,
        permissions=[USE],
        category=ToolCategory.READ,
        exposes_free_text=True,
    ),
)

"""What an agent and a tool's handler are given."""

import logging
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from app.core.auth.permissions import Permissions
from app.database import NoUnitOfWork

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from .guardrails import GuardrailConfig
    from .tools.registry import ToolRegistry


class AgentMode(StrEnum):
    AUTONOMOUS = "autonomous"
    """WRITE calls happen at once."""
    SUPERVISED = "supervised"
    """WRITE calls wait for a person."""


class _NoSession:
    """Stands where a session will be during a call: an agent that goes past the registry is told so."""

    def __getattr__(self, name: str) -> Any:
        raise NoUnitOfWork("ctx.db exists only inside a tool's handler; an agent calls `await ctx.tools.call(ctx, …)`, and it")


_NO_SESSION: Any = _NoSession()


@dataclass
class AgentContext:
    """On whose behalf, in which clinic and within which limits an agent acts.

    A handler filters every query by `clinic_id` and uses `db`, whose transaction belongs to the call: it is committed when the handler
    returns and rolled back when it raises. The registry checks the person's rights again at each call; nothing in here can widen them.
    """

    clinic_id: UUID
    user_id: UUID | None = None
    permissions: Permissions = field(default_factory=Permissions)
    db: "AsyncSession" = _NO_SESSION
    tools: "ToolRegistry" = field(default=None, repr=False)  # type: ignore[assignment]  # set by whoever runs an agent
    agent: str = "direct"
    session_id: UUID | None = None
    mode: AgentMode = AgentMode.SUPERVISED
    allowed_tools: tuple[str, ...] | None = None
    """None: whatever the permissions allow."""
    scopes: tuple[str, ...] | None = None
    """Patterns of permissions that a token limits its person to; None: no limit."""
    role: str | None = None
    """The role of an agent that runs without a person."""
    guardrails: "GuardrailConfig | None" = None
    credential_id: UUID | None = None
    input: dict[str, Any] = field(default_factory=dict)
    """What the run was started with."""
    logger: logging.Logger = field(default=logging.getLogger("app.core.agents"), repr=False)

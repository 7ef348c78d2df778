"""Guardrails: pure decisions about one call, from its category, the mode and what the clinic configured.

Three things cannot be configured away: a DESTRUCTIVE call always waits for a person, a blocked tool is blocked in every mode, and the
counts are of the session's own rows in the database, so that neither a restart nor a second process gives an agent another budget.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from .context import AgentMode
from .tools.base import ToolCategory

MINUTE: Final = 60


class GuardrailConfig(BaseModel):
    """Limits of one agent. Patterns are shell-style over the qualified tool name: `patients.*`, `*.delete`, `*.send_*`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_actions_per_minute: int = Field(default=10, ge=1, le=10_000)
    max_actions_per_session: int | None = Field(default=100, ge=1, le=1_000_000)
    """None: no limit, for a session that lasts as long as a token."""
    require_approval_for: tuple[str, ...] = Field(default=(), max_length=100)
    blocked_tools: tuple[str, ...] = Field(default=(), max_length=100)
    approval_hours: int = Field(default=24, ge=1, le=24 * 30)
    """How long a waiting call may still be approved."""
    auto_require_approval_for_destructive: bool = True

    @field_validator("auto_require_approval_for_destructive")
    @classmethod
    def _always(cls, value: bool) -> bool:
        if not value:
            raise ValueError("a DESTRUCTIVE call always waits for a person; leave this true, or block the tool")
        return value

    def blocks(self, tool: str) -> bool:
        return matches(tool, self.blocked_tools)

    def needs_approval(self, tool: str, category: ToolCategory, mode: AgentMode) -> bool:
        """Whether a person has to approve this call first."""
        if category is ToolCategory.DESTRUCTIVE:
            return True
        if matches(tool, self.require_approval_for):
            return True
        return category is ToolCategory.WRITE and mode is AgentMode.SUPERVISED


def matches(tool: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(tool, pattern) for pattern in patterns)


DEFAULT: Final = GuardrailConfig()
ASSISTANT: Final = GuardrailConfig(max_actions_per_minute=60, max_actions_per_session=None)
"""For an assistant a person talks to: its session lasts as long as its token."""

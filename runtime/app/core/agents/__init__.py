"""What modules use to take part in the agent contract (module guide, "AI agent integration"): tools, agents and what they are given.

Light on purpose: a module imports this when it is mounted. The machinery behind (`tools.registry`, `mcp`) is imported where it is used.
"""

from typing import Any

from .base import AgentResult, BaseAgent
from .context import AgentContext, AgentMode
from .guardrails import GuardrailConfig
from .tools.base import Tool, ToolCategory, ToolError, ToolResult

__all__ = [
    "AgentContext",
    "AgentMode",
    "AgentResult",
    "BaseAgent",
    "GuardrailConfig",
    "Tool",
    "ToolCategory",
    "ToolError",
    "ToolRegistry",
    "ToolResult",
    "tool_registry",
]


def __getattr__(name: str) -> Any:
    if name in ("ToolRegistry", "tool_registry"):
        from .tools import registry

        return getattr(registry, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

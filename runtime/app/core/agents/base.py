"""What a module implements to ship an agent (module guide, "Building an agent"). The core knows no model provider."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .context import AgentContext, AgentMode
from .guardrails import DEFAULT, GuardrailConfig


@dataclass(frozen=True, slots=True)
class AgentResult:
    """How a run ended. `summary` is kept with the session and shown to people: no patient's data in it."""

    ok: bool
    summary: str = ""
    data: dict[str, Any] = field(default_factory=dict)


class BaseAgent:
    """One agent. `name` is local to the module: the core knows it as `<module>.<name>`.

    `process` does one run. It reaches the clinic's data through `ctx.tools.call(ctx, name, arguments)` only, and only the tools named in
    `allowed_tools` answer. A supervised agent's writes wait for a person; a run does not wait for that, the next one sees what came of it.
    """

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    description: ClassVar[str] = ""
    mode: ClassVar[AgentMode] = AgentMode.SUPERVISED
    allowed_tools: ClassVar[Sequence[str]] = ()
    guardrails: ClassVar[GuardrailConfig] = DEFAULT

    async def process(self, ctx: AgentContext) -> AgentResult:
        raise NotImplementedError(f"{type(self).__name__} does not say what it does: implement `async def process(self, ctx)`")

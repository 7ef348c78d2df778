"""The agents this process knows: those of the mounted modules, and the assistants that connect over MCP."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.core.plugins.registry import ModuleRegistry

from .base import BaseAgent
from .context import AgentMode
from .errors import AgentUnknown
from .guardrails import ASSISTANT, GuardrailConfig

logger = logging.getLogger(__name__)

MCP: Final = "mcp"


@dataclass(frozen=True, slots=True)
class KnownAgent:
    """One agent with what its author chose for it; a clinic's own choice stands in `agents`."""

    name: str
    title: str
    description: str
    mode: AgentMode
    guardrails: GuardrailConfig
    enabled: bool
    """Whether it may act in a clinic that has not chosen."""
    allowed_tools: tuple[str, ...] | None
    agent: type[BaseAgent] | None
    """None for an assistant that connects by itself."""


ASSISTANTS: Final = KnownAgent(
    name=MCP,
    title="Assistants (MCP)",
    description="Assistants that people of the clinic connect with a token of their own. They have their person's rights, never more.",
    mode=AgentMode.SUPERVISED,
    guardrails=ASSISTANT,
    # What an assistant reads goes to whoever runs it: the clinic decides that, not a default.
    enabled=False,
    allowed_tools=None,
    agent=None,
)


def known_agents(registry: ModuleRegistry) -> Mapping[str, KnownAgent]:
    """By name. A module whose agents cannot be read has none; the others stay."""
    found = {MCP: ASSISTANTS}
    for mounted in registry.active:
        try:
            shipped = [_of_module(mounted.name, agent) for agent in mounted.module.get_agents()]
        except Exception:
            logger.exception("the agents of %s cannot be used", mounted.name)
            continue
        found |= {agent.name: agent for agent in shipped}
    return found


def known_agent(registry: ModuleRegistry, name: str) -> KnownAgent:
    """Raises AgentUnknown."""
    found = known_agents(registry).get(name)
    if found is None:
        raise AgentUnknown(name)
    return found


def _of_module(module: str, agent: type[BaseAgent]) -> KnownAgent:
    return KnownAgent(
        name=f"{module}.{agent.name}",
        title=agent.title or agent.name.replace("_", " ").capitalize(),
        description=" ".join((agent.description or agent.__doc__ or "").split()),
        mode=AgentMode(agent.mode),
        guardrails=agent.guardrails,
        enabled=True,
        allowed_tools=tuple(agent.allowed_tools),
        agent=agent,
    )

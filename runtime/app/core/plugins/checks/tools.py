"""What a module offers to agents (guide §12): tools without its name, with permissions that exist, one for each route that writes."""

from collections.abc import Iterator
from typing import Any

from app.core.plugins.loader import DiscoveredModule

from .issues import Issue, issue
from .routes import read_routes
from .surroundings import Surroundings


def read_tools(found: DiscoveredModule) -> tuple[list[Any], str | None]:
    """A module's tools, and why they cannot be had."""
    try:
        return list(found.module.get_tools()), None
    except Exception as error:
        # Declarations are checked when they are made, and made by a stranger's code.
        return [], f"{type(error).__name__}: {error}"


def tool_issues(found: DiscoveredModule, surroundings: Surroundings) -> Iterator[Issue]:
    name = found.name
    tools, reason = read_tools(found)
    if reason is not None:
        yield issue("TOOL_INVALID", f"{name}: get_tools() fails ({reason}); correct the declaration", name)
        return
    known = surroundings.permissions([name, *found.manifest.depends])
    seen: set[str] = set()
    for tool in tools:
        yield from _tool_issues(name, tool, known)
        if tool.name in seen:
            yield issue("TOOL_TWICE", f"{name}: two tools are called {tool.name}; rename one", name)
        seen.add(tool.name)
    for route in read_routes(found):
        if route.writes and route.function not in seen:
            text = f"{name}: {route.key} writes and has no tool; add one named {route.function}, so that agents can do what people can"
            yield issue("WRITE_ROUTE_WITHOUT_TOOL", text, name)
    yield from _agent_issues(found, surroundings)


def _tool_issues(name: str, tool: Any, known: frozenset[str]) -> Iterator[Issue]:
    if str(tool.name).startswith((f"{name}.", f"{name}__")):
        yield issue("TOOL_NAMESPACED", f"{name}: leave {name}. out of the tool {tool.name!r}; the registry puts it in front", name)
    if not tool.permissions:
        text = f"{name}: the tool {tool.name} declares no permission; name the one its route asks for"
        yield issue("TOOL_WITHOUT_PERMISSION", text, name)
    for permission in tool.permissions:
        if permission not in known:
            text = f"{name}: the tool {tool.name} asks for {permission}, which does not exist; write it in full, as its route does"
            yield issue("TOOL_PERMISSION_UNKNOWN", text, name)


def _agent_issues(found: DiscoveredModule, surroundings: Surroundings) -> Iterator[Issue]:
    name = found.name
    agents = list(found.module.get_agents())
    if not agents:
        return
    offered = {f"{other.name}.{tool.name}" for other in surroundings.modules.values() for tool in read_tools(other)[0]}
    for agent in agents:
        for wanted in getattr(agent, "allowed_tools", ()):
            if wanted not in offered:
                text = f"{name}: the agent {agent.__name__} may use {wanted}, which no installed module offers; correct allowed_tools"
                yield issue("TOOL_UNKNOWN", text, name)

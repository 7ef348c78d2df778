"""Which events a module listens to and publishes (guide §6), by its declarations and its syntax."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from app.core.events.types import CATALOGUE, EventType
from app.core.plugins.loader import DiscoveredModule

from .imports import Source, read_sources
from .issues import Issue, issue
from .surroundings import Surroundings

_PUBLISH: Final = frozenset({"publish", "publish_sync"})


def handled(found: DiscoveredModule) -> frozenset[str]:
    """The events a module listens to."""
    return frozenset(str(event) for event in found.module.get_event_handlers())


def published(found: DiscoveredModule) -> frozenset[str]:
    """The events a module may publish: those it declares, names written at a call of publish, and members of EventType it uses.

    A name put together at run time is not seen; declare it in get_events().
    """
    names = {str(event) for event in getattr(found.module, "get_events", dict)()}
    sources, _ = read_sources(found.package_path, found.import_name)
    names |= {name for name, _ in _published(sources)}
    used = {
        EventType[node.attr].value
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and node.attr in EventType.__members__
    }
    return frozenset(names | (used - handled(found)))


def event_issues(found: DiscoveredModule, surroundings: Surroundings) -> Iterator[Issue]:
    name = found.name
    for event in sorted(handled(found)):
        prefix = event.partition(".")[0]
        publisher = surroundings.modules.get(prefix)
        if event in CATALOGUE or (publisher is not None and event in published(publisher)):
            continue
        text = f"{name} listens to {event!r}, which neither the core's catalogue nor an installed module publishes; correct the name"
        yield issue("EVENT_UNKNOWN", text, name)
    sources, _ = read_sources(found.package_path, found.import_name)
    for event, where in sorted(set(_published(sources))):
        if event not in CATALOGUE and event.partition(".")[0] != name:
            text = f"{name}: {where} publishes {event!r}; a module publishes events of the core's catalogue and its own, as {name}.<action>"
            yield issue("EVENT_NOT_OWN", text, name)


def _published(sources: Sequence[Source]) -> Iterator[tuple[str, str]]:
    constants = _constants(sources)
    for source in sources:
        for node in ast.walk(source.tree):
            match node:
                case ast.Call(func=ast.Attribute(attr=called, value=bus), args=[first, *_]) if called in _PUBLISH and _is_bus(bus):
                    name = _text(first, constants)
                    if name is not None:
                        yield name, f"{source.file}:{node.lineno}"


def _is_bus(node: ast.expr) -> bool:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.endswith("bus")
        case _:
            return False


def _text(node: ast.expr, constants: Mapping[str, str]) -> str | None:
    match node:
        case ast.Constant(value=str(name)):
            return name
        case ast.Name(id=name):
            return constants.get(name)
        case ast.Attribute(attr=member) if member in EventType.__members__:
            return EventType[member].value
        case ast.Attribute(attr=member):
            return constants.get(member)
        case _:
            return None


def _constants(sources: Sequence[Source]) -> dict[str, str]:
    """Names of texts that stand at the top of a file or a class, by the name alone."""
    found: dict[str, str] = {}
    for source in sources:
        bodies = [source.tree.body, *(node.body for node in source.tree.body if isinstance(node, ast.ClassDef))]
        for statement in (statement for body in bodies for statement in body):
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                    found[name] = text
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(text))):
                    found[name] = text
    return found

"""Who hears an event: the handlers of mounted modules, and those that were subscribed in code (`event_bus.subscribe`)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .handlers import Subscription, named, origin_of, subscription

if TYPE_CHECKING:
    from app.core.plugins.registry import ModuleRegistry

CORE: Final = "core"
"""What stands for a module in the deliveries of handlers that belong to none: the core's own, and a test's."""


@dataclass(frozen=True, slots=True)
class _Added:
    event: str
    handler: Callable[..., Any]
    origin: str
    of_a_module: bool


class Listeners:
    """Handlers subscribed in code, usually from a module's `on_activate()`.

    They belong to the module whose package they were written in and exist only while that is mounted, like everything else of it.
    """

    def __init__(self) -> None:
        self._added: list[_Added] = []

    def add(self, event: str, handler: Callable[..., Any]) -> None:
        """Subscribing the same again changes nothing. Raises HandlerSignature."""
        subscription(CORE, event, handler)
        if not any((each.event, each.handler) == (event, handler) for each in self._added):
            origin = origin_of(handler)
            self._added.append(_Added(event, handler, origin, _of_a_module(origin)))

    def remove(self, event: str, handler: Callable[..., Any]) -> None:
        self._added = [each for each in self._added if (each.event, each.handler) != (event, handler)]

    def clear(self) -> None:
        self._added.clear()

    def of(self, event: str, registry: "ModuleRegistry") -> list[Subscription]:
        """Everybody who hears the event now, in the order of the dependencies; those subscribed in code come last."""
        declared = registry.handlers_for(event)
        if not self._added:
            return declared
        found: dict[str, list[Subscription]] = {}
        for each in declared:
            found.setdefault(each.module, []).append(each)
        for added in self._added:
            owner = self._owner(added, registry)
            if added.event == event and owner is not None:
                found.setdefault(owner, []).append(subscription(owner, event, added.handler))
        return [each for module in found.values() for each in named(module)]

    def modules(self, registry: "ModuleRegistry") -> list[str]:
        """The names under which deliveries of this process stand."""
        # The core's too where it hears nothing at the moment: what is left of a handler that was taken out ends as a dead letter.
        return [*(module.name for module in registry.active), CORE]

    def _owner(self, added: _Added, registry: "ModuleRegistry") -> str | None:
        mounted = registry.owner_of(added.origin)
        if mounted is not None:
            return mounted
        # Imported but not installed: it does not exist here.
        return None if added.of_a_module else CORE


def _of_a_module(origin: str) -> bool:
    from app.core.plugins.loader import discover_modules

    return any((origin + ".").startswith(found.entry_point.module + ".") for found in discover_modules())

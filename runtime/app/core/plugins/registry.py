"""What exists in this process: the modules that are mounted, and everything they bring along.

Only `installed` modules are ever put in here, so routes, handlers, tools and grants of any other module do not exist. Grants are merged
at look-up (guide §7): a module that is gone takes its grants along.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from .base import BaseModule
from .manifest import Manifest, NavigationEntry, granted, namespaced

if TYPE_CHECKING:
    from app.core.events.handlers import Subscription


@dataclass(frozen=True)
class MountedModule:
    """One module in force, with its manifest as the core reads it."""

    module: BaseModule
    manifest: Manifest

    @property
    def name(self) -> str:
        return self.manifest.name

    @cached_property
    def local_permissions(self) -> tuple[str, ...]:
        return tuple(self.module.get_permissions())

    @cached_property
    def permissions(self) -> frozenset[str]:
        return frozenset(namespaced(self.name, permission) for permission in self.local_permissions)

    def grants(self, role: str) -> frozenset[str]:
        local = granted(self.manifest.role_permissions.get(role, ()), self.local_permissions)
        return frozenset(namespaced(self.name, permission) for permission in local)

    @cached_property
    def handlers(self) -> Mapping[str, tuple["Subscription", ...]]:
        """The module's handlers by event. Raises HandlerSignature if one can be called in no known way."""
        from app.core.events.handlers import subscriptions

        return subscriptions(self.name, self.module.get_event_handlers())

    @cached_property
    def events(self) -> Mapping[str, type[Any] | None]:
        """The events the module says it publishes, with their payload models. Raises EventDeclarationInvalid."""
        from app.core.events.declared import declarations

        return declarations(self.name, self.module.get_events())


class ModuleRegistry:
    """The mounted modules of one process, dependencies first."""

    def __init__(self, modules: Iterable[MountedModule] = ()) -> None:
        self._active: dict[str, MountedModule] = {}
        self._grants: dict[str, frozenset[str]] = {}
        for module in modules:
            self.mount(module)

    @property
    def active(self) -> tuple[MountedModule, ...]:
        return tuple(self._active.values())

    def __contains__(self, name: object) -> bool:
        return name in self._active

    def get(self, name: str) -> MountedModule | None:
        return self._active.get(name)

    def mount(self, module: MountedModule) -> None:
        self._active[module.name] = module
        self._grants.clear()

    def unmount(self, name: str) -> None:
        self._active.pop(name, None)
        self._grants.clear()

    def clear(self) -> None:
        self._active.clear()
        self._grants.clear()

    def permissions(self) -> frozenset[str]:
        """Every permission the mounted modules declare, namespaced."""
        return frozenset().union(*(module.permissions for module in self._active.values()))

    def grants(self, role: str) -> frozenset[str]:
        """The namespaced permissions the mounted modules give a role."""
        if role not in self._grants:
            self._grants[role] = frozenset().union(*(module.grants(role) for module in self._active.values()))
        return self._grants[role]

    def handlers_for(self, event: str) -> list["Subscription"]:
        """The mounted modules' subscriptions to an event, in the order of the dependencies."""
        return [each for module in self._active.values() for each in module.handlers.get(str(event), ())]

    def owner_of(self, python_module: str) -> str | None:
        """The mounted module whose package this Python module belongs to; None for the core, tests and scripts."""
        for mounted in self._active.values():
            package = type(mounted.module).__module__
            if python_module == package or python_module.startswith(package + "."):
                return mounted.name
        return None

    def navigation(self, permissions: frozenset[str]) -> list[tuple[str, NavigationEntry]]:
        """(module, entry) for everything a person with these permissions may open, in the order shown."""
        entries = [(module.name, entry) for module in self._active.values() for entry in module.manifest.frontend.navigation]
        allowed = [(name, entry) for name, entry in entries if entry.permission is None or entry.permission in permissions]
        return sorted(allowed, key=lambda pair: (pair[1].order, pair[1].to))


module_registry: Final = ModuleRegistry()
"""The registry of this process."""

"""What exists in this process: the modules that are mounted, and everything they bring along.

Only `installed` modules are ever put in here, so routes, handlers, tools and grants of any other module do not exist. Grants are merged
at look-up (guide §7): a module that is gone takes its grants along.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from .base import BaseModule
from .manifest import Manifest, NavigationEntry, granted, namespaced


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
    def handlers(self) -> dict[str, tuple[tuple[str, Callable[..., Any]], ...]]:
        found: dict[str, tuple[tuple[str, Callable[..., Any]], ...]] = {}
        for event, value in self.module.get_event_handlers().items():
            callables = value if isinstance(value, list | tuple) else [value]
            found[str(event)] = tuple((f"{handler.__module__}.{handler.__qualname__}", handler) for handler in callables)
        return found


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

    def handlers_for(self, event: str) -> list[tuple[str, str, Callable[..., Any]]]:
        """(module, handler name, callable) of each subscription to an event, in the order of the dependencies."""
        return [(module.name, name, handler) for module in self._active.values() for name, handler in module.handlers.get(str(event), ())]

    def navigation(self, permissions: frozenset[str]) -> list[tuple[str, NavigationEntry]]:
        """(module, entry) for everything a person with these permissions may open, in the order shown."""
        entries = [(module.name, entry) for module in self._active.values() for entry in module.manifest.frontend.navigation]
        allowed = [(name, entry) for name, entry in entries if entry.permission is None or entry.permission in permissions]
        return sorted(allowed, key=lambda pair: (pair[1].order, pair[1].to))


module_registry: Final = ModuleRegistry()
"""The registry of this process."""

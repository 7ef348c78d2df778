"""What exists in this process: the modules that are mounted, and everything they bring along.

Only installed modules are ever put in here, so routes, handlers, tools and grants of any other module do not exist. Those that are switched
off are mounted and not active: they come back without a restart, and until then nothing of theirs is in use. Grants are merged at look-up
(guide §7): a module that is gone takes its grants along.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from dentalpin_kit import logs

from .base import BaseModule
from .manifest import Manifest, NavigationEntry, granted, namespaced
from .topology import dependents

if TYPE_CHECKING:
    from app.core.agents.tools.base import Tool
    from app.core.events.handlers import Subscription
    from app.core.jobs.scheduled import Job


@dataclass(frozen=True)
class MountedModule:
    """One module in force, with its manifest as the core reads it."""

    module: BaseModule
    manifest: Manifest

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def package(self) -> str:
        """The Python package the module's class comes from: what its own loggers are named after."""
        home = type(self.module).__module__
        return getattr(sys.modules.get(home), "__package__", None) or home

    @cached_property
    def local_permissions(self) -> tuple[str, ...]:
        return tuple(self.module.get_permissions())

    @cached_property
    def permissions(self) -> frozenset[str]:
        return frozenset(namespaced(self.name, permission) for permission in self.local_permissions)

    @cached_property
    def tools(self) -> "tuple[Tool, ...]":
        """What agents may do in this module, read when the first of them asks."""
        return tuple(self.module.get_tools())

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

    @cached_property
    def jobs(self) -> tuple["Job", ...]:
        """The module's scheduled jobs. Raises JobInvalid if one can be called or scheduled in no known way."""
        from app.core.jobs.scheduled import jobs_of

        return jobs_of(self.name, self.module.get_scheduled_jobs())


class ModuleRegistry:
    """The mounted modules of one process, dependencies first."""

    def __init__(self, modules: Iterable[MountedModule] = ()) -> None:
        self._mounted: dict[str, MountedModule] = {}
        self._disabled: frozenset[str] = frozenset()
        self._grants: dict[str, frozenset[str]] = {}
        self._permissions: frozenset[str] | None = None
        self.version = 0
        """Grows with every change of what is active, for those who keep something made from it."""
        for module in modules:
            self.mount(module)

    @property
    def mounted(self) -> tuple[MountedModule, ...]:
        """Everything in this process, switched off or not: their routes exist and their events are kept for them."""
        return tuple(self._mounted.values())

    @property
    def active(self) -> tuple[MountedModule, ...]:
        """What is in use: installed and enabled."""
        return tuple(module for name, module in self._mounted.items() if name not in self._disabled)

    def __contains__(self, name: object) -> bool:
        return name in self._mounted

    def get(self, name: str) -> MountedModule | None:
        return self._mounted.get(name)

    def is_disabled(self, name: str) -> bool:
        """Whether the module is mounted and switched off, itself or with something it needs."""
        return name in self._disabled

    def set_disabled(self, names: Iterable[str]) -> bool:
        """Make exactly these modules, and whatever needs one of them, inactive; True if that changed anything."""
        depends = {name: module.manifest.depends for name, module in self._mounted.items()}
        wanted = frozenset(names)
        wanted = (wanted | dependents(wanted, depends)) & self._mounted.keys()
        if wanted == self._disabled:
            return False
        self._disabled = wanted
        self._changed()
        return True

    def mount(self, module: MountedModule, *, disabled: bool = False) -> None:
        self._mounted[module.name] = module
        self._disabled = self._disabled | {module.name} if disabled else self._disabled - {module.name}
        self._changed()
        logs.name_package(module.package, module.name)

    def unmount(self, name: str) -> None:
        self._mounted.pop(name, None)
        self._disabled -= {name}
        self._changed()

    def clear(self) -> None:
        self._mounted.clear()
        self._disabled = frozenset()
        self._changed()

    def _changed(self) -> None:
        self._grants.clear()
        self._permissions = None
        self.version += 1

    def permissions(self) -> frozenset[str]:
        """Every permission the active modules declare, namespaced."""
        if self._permissions is None:
            self._permissions = frozenset().union(*(module.permissions for module in self.active))
        return self._permissions

    def grants(self, role: str) -> frozenset[str]:
        """The namespaced permissions the active modules give a role."""
        if role not in self._grants:
            self._grants[role] = frozenset().union(*(module.grants(role) for module in self.active))
        return self._grants[role]

    def handlers_for(self, event: str) -> list["Subscription"]:
        """The mounted modules' subscriptions to an event, in the order of the dependencies.

        Those of modules that are switched off are among them: their events wait, and are delivered once they are switched on.
        """
        return [each for module in self._mounted.values() for each in module.handlers.get(str(event), ())]

    def owner_of(self, python_module: str) -> str | None:
        """The mounted module whose package this Python module belongs to; None for the core, tests and scripts."""
        for mounted in self._mounted.values():
            package = type(mounted.module).__module__
            if python_module == package or python_module.startswith(package + "."):
                return mounted.name
        return None

    def navigation(self, permissions: frozenset[str]) -> list[tuple[str, NavigationEntry]]:
        """(module, entry) for everything a person with these permissions may open, in the order shown."""
        entries = [(module.name, entry) for module in self.active for entry in module.manifest.frontend.navigation]
        allowed = [(name, entry) for name, entry in entries if entry.permission is None or entry.permission in permissions]
        return sorted(allowed, key=lambda pair: (pair[1].order, pair[1].to))


module_registry: Final = ModuleRegistry()
"""The registry of this process."""

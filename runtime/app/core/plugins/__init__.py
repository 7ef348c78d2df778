"""The module system: discovery, manifests, the books in `core_module`, and the processor that turns what is asked into what is.

Module authors import `BaseModule` and `ModuleContext` from here. The other names are those modules of the public application may import;
they are loaded when somebody asks for them, since a runtime that wakes needs none.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from .base import BaseModule, ModuleContext
from .manifest import Manifest, ManifestError

if TYPE_CHECKING:
    from .public import (
        DoctorReport,
        ModuleCategory,
        ModuleInfo,
        ModuleOperationError,
        ModuleService,
        mount_modules,
        register_discovered,
    )
    from .registry import module_registry
    from .states import State as ModuleState

_LATER: Final = {
    "DoctorReport": ("public", "DoctorReport"),
    "ModuleCategory": ("public", "ModuleCategory"),
    "ModuleInfo": ("public", "ModuleInfo"),
    "ModuleOperationError": ("public", "ModuleOperationError"),
    "ModuleService": ("public", "ModuleService"),
    "ModuleState": ("states", "State"),
    "module_registry": ("registry", "module_registry"),
    "mount_modules": ("public", "mount_modules"),
    "register_discovered": ("public", "register_discovered"),
}

__all__ = [
    "BaseModule",
    "DoctorReport",
    "Manifest",
    "ManifestError",
    "ModuleCategory",
    "ModuleContext",
    "ModuleInfo",
    "ModuleOperationError",
    "ModuleService",
    "ModuleState",
    "module_registry",
    "mount_modules",
    "register_discovered",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _LATER[name]
    value = getattr(import_module(f".{module}", __name__), attribute)
    globals()[name] = value
    return value

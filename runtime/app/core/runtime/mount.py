"""Bringing modules into this process: only what is installed and locked is imported; nothing else exists here."""

import logging
from collections.abc import Iterable, Mapping

from app.core.plugins.loader import DiscoveredModule, discover_modules
from app.core.plugins.registry import ModuleRegistry, MountedModule
from app.core.plugins.topology import ordered

logger = logging.getLogger(__name__)


def mount(names: Iterable[str], registry: ModuleRegistry) -> None:
    """Import and mount these modules, dependencies first.

    A module whose package vanished or cannot be imported stays out, and so does what depends on it: the rest serves, readiness and
    attestation say what is missing.
    """
    mount_found(discover_modules().modules, names, registry)


def mount_found(found: Mapping[str, DiscoveredModule], names: Iterable[str], registry: ModuleRegistry) -> None:
    """The same with what is to be found given."""
    usable: dict[str, MountedModule] = {}
    for name in sorted(names):
        discovered = found.get(name)
        if discovered is None:
            logger.error("%s is installed but its package is not here; install it with pip again, or uninstall the module", name)
            continue
        try:
            module = MountedModule(discovered.module, discovered.manifest)
            # Read now, so that a handler or job nobody could call is a module that is not served, not a surprise later.
            _ = module.handlers, module.events, module.jobs
            usable[name] = module
        except Exception:
            # The module's own code: whatever it raises stops this module and no other.
            logger.exception("%s is installed but cannot be served", name)
    for name in ordered({name: module.manifest.depends for name, module in usable.items()}):
        lacking = [need for need in usable[name].manifest.depends if need not in registry]
        if lacking:
            logger.error("%s is not served, since %s is not", name, ", ".join(lacking))
            continue
        registry.mount(usable[name])

"""`modules.json`: where the frontend layers of the packages are, as the build of the host application reads it.

All layers that are here go into one bundle; which of them show is decided at run time by `/api/v1/modules/-/active`.
"""

from pathlib import Path
from typing import Any

from .errors import PluginError
from .loader import DiscoveredModule, Discovery

FORMAT = 1


def layers(discovery: Discovery) -> dict[str, Any]:
    """The document, in the order of the names. A package that cannot be read, or has no such folder, has no layer."""
    found = [(module.name, folder) for module in sorted(discovery, key=lambda each: each.name) if (folder := _layer_of(module)) is not None]
    return {
        "version": FORMAT,
        "layers": [str(folder) for _, folder in found],
        "modules": [{"name": name, "path": str(folder)} for name, folder in found],
    }


def _layer_of(module: DiscoveredModule) -> Path | None:
    try:
        asked = module.manifest.frontend.layer_path
        folder = module.package_path / asked if asked else None
    except PluginError:
        return None
    return folder if folder is not None and folder.is_dir() else None

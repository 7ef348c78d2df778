"""Discovery: which modules the installed distributions offer (entry-point group `dentalpin.modules`), first step of every boot.

Reading metadata imports nothing. A module's package is imported when its class is asked for: always for modules that are to be mounted,
never for a module that is only listed, since its manifest is in the books (`core_module.manifest_snapshot`).
"""

import hashlib
import importlib.util
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import Distribution, EntryPoint, distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .base import BaseModule
from .errors import DependencyCycle, DependencyMissing, ManifestInvalid, NameClaimedTwice, PluginError
from .errors import TopologyError as TopologyError
from .manifest import Manifest

if TYPE_CHECKING:
    from .checks.issues import Issue

logger = logging.getLogger(__name__)

# Under the names modules of the public application know.
CircularDependencyError = DependencyCycle
MissingDependencyError = DependencyMissing

GROUP: Final = "dentalpin.modules"
CORE_DISTRIBUTION: Final = "dentalpin-core"


def core_version() -> str:
    """Version of this distribution, against which `min_core_version` is checked."""
    return version(CORE_DISTRIBUTION)


@dataclass(frozen=True)
class DiscoveredModule:
    """A module that a distribution on the Python path offers. Everything beyond its name and place is read on demand."""

    name: str
    entry_point: EntryPoint
    distribution: str
    distribution_version: str

    @cached_property
    def package_path(self) -> Path:
        """Folder of the package, found without importing it. Raises ManifestInvalid if there is none."""
        try:
            spec = importlib.util.find_spec(self.entry_point.module)
        except ImportError as error:
            raise ManifestInvalid(self.name, self.distribution, f"{self.entry_point.module} cannot be found ({error})") from error
        if spec is None or spec.origin is None:
            raise ManifestInvalid(
                self.name, self.distribution, f"there is no package {self.entry_point.module}; reinstall the distribution"
            )
        # Not resolved: Alembic compares the author's `--version-path` with it letter by letter.
        return Path(spec.origin).parent

    @cached_property
    def import_name(self) -> str:
        """The dotted name of the package: what others would write to import it."""
        module = self.entry_point.module
        spec = importlib.util.find_spec(module)
        is_package = spec is None or spec.submodule_search_locations is not None
        return module if is_package else module.rpartition(".")[0] or module

    @property
    def versions_path(self) -> Path | None:
        """Folder of the module's migrations, None for a module without tables."""
        folder = self.package_path / "migrations" / "versions"
        return folder if folder.is_dir() else None

    @cached_property
    def module(self) -> BaseModule:
        """The module itself; imports its package. Raises ManifestInvalid if name or version are unusable or the import fails."""
        try:
            loaded = self.entry_point.load()
        except Exception as error:
            # A stranger's package may raise anything while it is imported; it must not take the others with it.
            raise ManifestInvalid(self.name, self.distribution, f"importing it failed ({type(error).__name__}: {error})") from error
        if not (isinstance(loaded, type) and issubclass(loaded, BaseModule)):
            raise ManifestInvalid(self.name, self.distribution, f"{self.entry_point.value} is no subclass of BaseModule")
        return loaded()

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest as the core uses it: what is wrong beyond name and version is left at its default (the validator lists it)."""
        from .manifest_validator import read_manifest

        manifest, issues = read_manifest(self.module.manifest)
        if manifest is None:
            raise ManifestInvalid(self.name, self.distribution, "; ".join(issue.message for issue in issues if issue.fatal))
        if manifest.name != self.name:
            raise ManifestInvalid(
                self.name, self.distribution, f"its entry point says {self.name!r}, its manifest {manifest.name!r}; make them equal"
            )
        if issues:
            logger.warning("%s: %s. `dentalpin modules doctor` lists the issues of manifests.", self.name, _told(issues))
        if manifest.category == "official" and not self.of_core:
            return manifest.model_copy(update={"category": "community"})
        return manifest

    @property
    def of_core(self) -> bool:
        """Whether this very distribution ships it: only those may call themselves official."""
        return _normalised(self.distribution) == CORE_DISTRIBUTION

    @cached_property
    def fingerprint(self) -> str:
        """Changes when the package is another one, or an author edited its code or migrations. Imports nothing."""
        parts = [self.name, self.entry_point.value, _normalised(self.distribution), self.distribution_version]
        try:
            package = self.package_path
        except ManifestInvalid:
            return hashlib.sha256("\0".join([*parts, "missing"]).encode()).hexdigest()
        for folder in (package, package / "migrations" / "versions"):
            if folder.is_dir():
                for file in sorted(folder.glob("*.py")):
                    status = file.stat()
                    parts.append(f"{file.name}:{status.st_size}:{status.st_mtime_ns}")
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Discovery:
    """Everything found on the Python path, with what had to be left out."""

    modules: Mapping[str, DiscoveredModule]
    errors: Mapping[str, PluginError] = field(default_factory=dict)
    """Names that several distributions claim, and why none of them is in `modules`."""

    def __iter__(self) -> Iterator[DiscoveredModule]:
        return iter(self.modules.values())

    def __len__(self) -> int:
        return len(self.modules)

    def __contains__(self, name: object) -> bool:
        return name in self.modules

    def get(self, name: str) -> DiscoveredModule | None:
        return self.modules.get(name)

    @cached_property
    def fingerprint(self) -> str:
        """Equal as long as the same packages are installed. Part of what tells a boot that nothing has changed."""
        parts = [f"{module.name}={module.fingerprint}" for module in self] + [f"{name}!" for name in sorted(self.errors)]
        return "sha256:" + hashlib.sha256("\n".join(parts).encode()).hexdigest()


def discover_modules(path: Iterable[str] | None = None) -> Discovery:
    """The modules offered by the distributions on `path` (default: the Python path), by name.

    A name that two distributions claim is refused to both. A distribution found twice counts once, the first one on the path.
    """
    found: dict[str, list[DiscoveredModule]] = {}
    for distribution, entry_points in _distributions(path):
        name, version_here = distribution.metadata["Name"], distribution.version
        for entry_point in entry_points:
            found.setdefault(entry_point.name, []).append(DiscoveredModule(entry_point.name, entry_point, name, version_here))
    modules = {name: claims[0] for name, claims in sorted(found.items()) if len(claims) == 1}
    errors: dict[str, PluginError] = {
        name: NameClaimedTwice(name, sorted(claim.distribution for claim in claims)) for name, claims in found.items() if len(claims) > 1
    }
    return Discovery(modules, errors)


def _distributions(path: Iterable[str] | None) -> Iterator[tuple[Distribution, list[EntryPoint]]]:
    """Those that offer modules, the first of a name; a hundred others are passed over without parsing their metadata."""
    seen: set[str] = set()
    for distribution in distributions() if path is None else distributions(path=list(path)):
        offered = [entry_point for entry_point in distribution.entry_points if entry_point.group == GROUP]
        if offered and (name := _normalised(distribution.metadata["Name"] or "")) not in seen:
            seen.add(name)
            yield distribution, offered


def _told(issues: "Sequence[Issue]") -> str:
    return "; ".join(issue.message.removeprefix(f"{issue.module}: ") for issue in issues)


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

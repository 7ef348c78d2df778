"""What `dentalpin modules check` is pointed at: a source folder, a wheel, or the name of an installed module, as modules to judge."""

import importlib
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Final

from app.core.plugins.errors import ManifestInvalid, PluginError
from app.core.plugins.loader import GROUP, DiscoveredModule, Discovery, discover_modules

from .versioning import CHANGELOG

PYPROJECT: Final = "pyproject.toml"


class NothingToCheck(PluginError):
    """Nothing at that place is a module."""

    status = 404
    code = "nothing_to_check"
    exit_code = 2

    def __init__(self, target: str) -> None:
        super().__init__(
            f"{target} is no module: give a folder whose {PYPROJECT} has entry points of the group {GROUP}, a package in it, a wheel, "
            "or the name of an installed module.",
            target=target,
        )


@dataclass(frozen=True, slots=True)
class Project:
    """One distribution with its modules. `home` of a module is where its changelog and surface.json lie; None for what has no source."""

    modules: tuple[DiscoveredModule, ...]
    homes: Mapping[str, Path | None]
    source: Path | None
    """The folder a wheel can be built from."""

    @property
    def sole(self) -> bool:
        return len(self.modules) == 1


def beside(project: Project) -> Discovery:
    """The project's modules among everything else that is installed; what is installed of the same name gives way."""
    installed = discover_modules()
    own = {found.name: found for found in project.modules}
    errors = {name: error for name, error in installed.errors.items() if name not in own}
    return Discovery(dict(sorted({**installed.modules, **own}.items())), errors)


@contextmanager
def opened(target: str, folder: Path) -> Iterator[Project]:
    """The project at `target`, importable for the time of the block; wheels are unpacked into `folder`. Raises NothingToCheck."""
    path = Path(target)
    if path.suffix == ".whl" and path.is_file():
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
        with _importable([folder]):
            yield _unpacked(folder, target)
        return
    project = _from_source(path) if path.is_dir() else None
    if project is not None:
        roots = [project.source, project.source / "src"] if project.source is not None else []
        with _importable(roots):
            yield _with_homes(project)
        return
    known = discover_modules()
    found = known.get(target) or next((module for module in known if path.is_dir() and _lies_in(module, path)), None)
    if found is None:
        raise NothingToCheck(target)
    home = found.package_path if (found.package_path / CHANGELOG).is_file() else None
    yield Project((found,), {found.name: home}, None)


def _from_source(folder: Path) -> Project | None:
    """A folder with a pyproject.toml that offers modules."""
    file = folder / PYPROJECT
    if not file.is_file():
        return None
    document: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    described = document.get("project", {})
    points: Mapping[str, str] = described.get("entry-points", {}).get(GROUP, {})
    if not points:
        return None
    modules = tuple(
        DiscoveredModule(name, EntryPoint(name, value, GROUP), str(described.get("name", "")), str(described.get("version", "")))
        for name, value in sorted(points.items())
    )
    return Project(modules, {}, folder.resolve())


def _with_homes(project: Project) -> Project:
    """Beside the package's code, or beside pyproject.toml where the distribution has one module."""
    homes: dict[str, Path | None] = {}
    for found in project.modules:
        try:
            package = found.package_path
        except ManifestInvalid:
            homes[found.name] = project.source
            continue
        homes[found.name] = package if not project.sole or (package / CHANGELOG).is_file() else project.source
    return replace(project, homes=homes)


def _unpacked(folder: Path, target: str) -> Project:
    discovery = discover_modules([str(folder)])
    if not len(discovery):
        raise NothingToCheck(target)
    return Project(tuple(discovery), dict.fromkeys(discovery.modules), None)


def _lies_in(found: DiscoveredModule, path: Path) -> bool:
    try:
        return found.package_path.resolve() == path.resolve()
    except ManifestInvalid:
        return False


@contextmanager
def _importable(roots: list[Path]) -> Iterator[None]:
    """Have what lies in `roots` found before what is installed."""
    added = [str(root) for root in roots if root.is_dir()]
    sys.path[:0] = added
    importlib.invalidate_caches()
    try:
        yield
    finally:
        for root in added:
            sys.path.remove(root)
        importlib.invalidate_caches()

"""The built wheel against its source: what pip would install, not what lies in the author's folder (guide §10)."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PathDistribution
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from app.core.plugins.errors import ManifestInvalid
from app.core.plugins.loader import GROUP, DiscoveredModule

from .imports import NOT_PRODUCT
from .issues import Issue, issue
from .layer import layer_path
from .projects import Project

_NOT_COPIED: Final = ("build", "dist", "*.egg-info", "__pycache__", ".git", ".venv", "venv", "node_modules", ".pytest_cache", ".ruff_cache")
_SHOWN: Final = 5


class WheelNotBuilt(Exception):
    """No wheel came out; the message is the last thing the build said."""


def build_wheel(source: Path, folder: Path) -> Path:
    """The wheel of `source`, built from a copy in `folder`, so that nothing is left in the author's tree. Raises WheelNotBuilt."""
    copy, out = folder / "source", folder / "dist"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns(*_NOT_COPIED), symlinks=True)
    reason = "neither `build` nor `pip` is installed here"
    for command in _commands(copy, out):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=folder)
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = str(error)
            continue
        wheels = sorted(out.glob("*.whl")) if done.returncode == 0 else []
        if wheels:
            return wheels[-1]
        reason = next((line for line in reversed((done.stderr or done.stdout).splitlines()) if line.strip()), "the build failed")
    raise WheelNotBuilt(reason)


def wheel_issues(project: Project, wheel: Path) -> Iterator[Issue]:
    """What a module of the project needs and the wheel lacks."""
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    offered = {point.name for point in _distribution(wheel).entry_points if point.group == GROUP}
    for found in project.modules:
        name = found.name
        if name not in offered:
            text = f"{name}: {wheel.name} has no entry point {name} in the group {GROUP}; add it to pyproject.toml"
            yield issue("WHEEL_ENTRY_POINT_MISSING", text, name)
        for kind, files in _needed(found).items():
            lacking = sorted(file for file in files if file not in packed)
            if lacking:
                more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
                text = f"{name}: {wheel.name} lacks {kind}: {', '.join(lacking[:_SHOWN])}{more}; add it to the package data (guide §10)"
                yield issue("WHEEL_FILE_MISSING", text, name)


def _needed(found: DiscoveredModule) -> dict[str, set[str]]:
    """{kind: files}, as a wheel names them."""
    try:
        package = found.package_path
    except ManifestInvalid:
        return {}
    place = Path(*found.import_name.split("."))

    def packed(files: Iterator[Path]) -> set[str]:
        return {
            (place / inner).as_posix() for file in files if not NOT_PRODUCT - {"frontend"} & set((inner := file.relative_to(package)).parts)
        }

    layer, versions = layer_path(found), found.versions_path
    revisions = packed(versions.glob("*.py")) if versions is not None else set()
    return {
        "a revision": revisions,
        "a seed file": {(place / file).as_posix() for file in found.manifest.data_files},
        "a file of the layer": packed(file for file in layer.rglob("*") if file.is_file()) if layer is not None else set(),
        "code": packed(file for file in package.rglob("*.py") if file.name != "conftest.py") - revisions,
    }


def _commands(copy: Path, out: Path) -> Iterator[list[str]]:
    if find_spec("build") is not None:
        options = ["--wheel", "--no-isolation", "--skip-dependency-check", "--outdir", str(out)]
        yield [sys.executable, "-m", "build", *options, str(copy)]
    if find_spec("pip") is not None:
        yield [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(out), str(copy)]


def _distribution(wheel: Path) -> Distribution:
    archive = zipfile.Path(wheel)
    info = next(entry for entry in archive.iterdir() if entry.name.endswith(".dist-info"))
    return PathDistribution(info)

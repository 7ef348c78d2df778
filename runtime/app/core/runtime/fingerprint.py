"""Whether boot has anything to do, decided without importing what it would be done with.

`settled` in core_setting is the fingerprint under which boot last left nothing to do. Equal fingerprint and nothing pending: serve at
once. Made of the core's version and migrations, the installed modules' files and the revision's identity; a module's files are taken
by name, size and time, which a reinstallation or an edit changes.
"""

import importlib.util
import os
from collections.abc import Iterator
from importlib.metadata import EntryPoint, distributions, version
from pathlib import Path

from dentalpin_kit.canonical import digest

ENTRY_POINTS = "dentalpin.modules"
DISTRIBUTION = "dentalpin-core"
SETTLED = "settled"
# Neither bytecode nor pages nor tests say anything about what the server would run.
_LEFT_OUT = frozenset({"__pycache__", "node_modules", "frontend", "tests"})


def core_version() -> str:
    return version(DISTRIBUTION)


def fingerprint(identity: str | None) -> str:
    """The fingerprint of this environment under the revision with this identity (None: stand-alone)."""
    return digest({"environment": environment_print(), "revision": identity})


def environment_print() -> str:
    """The fingerprint of what is installed here: the core and every package that offers modules."""
    modules = sorted((point.name, point.value, distribution, release) for point, distribution, release in _declared())
    core = Path(__file__).resolve().parents[2]
    return digest(
        {
            "core": core_version(),
            "core_files": [*_files(core / "migrations"), *_files(core / "core")],
            "modules": [[*module, *_files_of(module[1])] for module in modules],
        }
    )


def _declared() -> Iterator[tuple[EntryPoint, str, str]]:
    seen: set[str] = set()
    for distribution in distributions():
        points = [point for point in distribution.entry_points if point.group == ENTRY_POINTS]
        if not points:
            continue
        name = distribution.metadata["Name"]
        # The first on the path is the one that is imported; a stale copy behind it does not count.
        if name in seen:
            continue
        seen.add(name)
        for point in points:
            yield point, name, distribution.version


def _files_of(target: str) -> list[list[object]]:
    """The files of the package an entry point names, found without importing it; empty if it is gone."""
    try:
        spec = importlib.util.find_spec(target.partition(":")[0])
    except (ImportError, ValueError):
        return []
    if spec is None or spec.origin is None:
        return []
    origin = Path(spec.origin)
    return _files(origin.parent) if origin.name == "__init__.py" else _files(origin)


def _files(root: Path) -> list[list[object]]:
    return sorted(_entry(file, root.parent) for file in ([root] if root.is_file() else _walk(root)))


def _entry(file: Path, base: Path) -> list[object]:
    stat = file.stat()
    return [str(file.relative_to(base)), stat.st_size, stat.st_mtime_ns]


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        # Pruned in place, as os.walk allows.
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        for name in names:
            yield Path(folder, name)

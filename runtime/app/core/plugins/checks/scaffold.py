"""A new community module, from the sample module that this distribution carries (`dentalpin modules new`)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import app
from app.core.plugins.errors import PluginError
from app.core.plugins.loader import core_version, discover_modules
from app.core.plugins.manifest import NAME_PATTERN, RESERVED_NAMES

from .projects import opened
from .surface import FILE
from .versioning import update_surface

TEMPLATE: Final = Path(app.__file__).parent / "scaffold" / "sample_module"
"""In the wheel a folder, in the repository a link to tests/fixtures/sample_module."""

_SKIPPED: Final = frozenset({"__pycache__", "build", "dist", "README.md", FILE})
_RESERVED: Final = RESERVED_NAMES | {"app", "test", "tests"}

_PROJECT: Final = """
[project.optional-dependencies]
tests = ["dentalpin-core[tests]>=1.0"]

[tool.pytest.ini_options]
asyncio_mode = "auto"
testpaths = ["tests"]
"""
_README: Final = """# {new.distribution}

{new.words}: a module for DentalPin.

## Install

```
pip install {new.distribution}
dentalpin modules install {new.name}
dentalpin modules restart
```

## Work on it

```
pip install --editable '.[tests]'
pytest
dentalpin modules check
```

`dentalpin modules check --update` writes `surface.json`, which says what others can build on. The version steps as it changes: something
gone or newly demanded is a major step, something added (or a new migration) a minor one, anything else a patch; each version has an entry
in CHANGELOG.md.
"""


class ModuleNameRefused(PluginError):
    status = 422
    code = "module_name_refused"
    exit_code = 2

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"A module cannot be called {name!r}: {reason}", module=name)


class FolderTaken(PluginError):
    status = 409
    code = "folder_taken"
    exit_code = 2

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} exists and is not empty; name another folder with --path.", folder=str(folder))


@dataclass(frozen=True, slots=True)
class NewModule:
    """What is asked for. Raises ModuleNameRefused."""

    name: str
    author: str = "Your Name"
    license: str = "MIT"

    def __post_init__(self) -> None:
        if not re.fullmatch(NAME_PATTERN, self.name) or len(self.name) > 40:
            raise ModuleNameRefused(self.name, "write it in snake_case, a letter first, 40 characters at most, as lab_orders")
        if self.name in _RESERVED:
            raise ModuleNameRefused(self.name, "the core uses that name for itself; choose another")
        taken = discover_modules().get(self.name)
        if taken is not None:
            raise ModuleNameRefused(self.name, f"the distribution {taken.distribution} has a module of that name; choose another")

    @property
    def package(self) -> str:
        return f"dentalpin_{self.name}"

    @property
    def distribution(self) -> str:
        return self.package.replace("_", "-")

    @property
    def camel(self) -> str:
        return "".join(part.capitalize() for part in self.name.split("_"))

    @property
    def words(self) -> str:
        return self.name.replace("_", " ").capitalize()


def write_module(new: NewModule, folder: Path | None = None) -> Path:
    """Write the module's distribution into `folder` (default: its distribution's name, here); the folder. Raises FolderTaken."""
    target = folder if folder is not None else Path(new.distribution)
    if target.exists() and any(target.iterdir()):
        raise FolderTaken(target)
    for source, inner in _files():
        file = target / _renamed(inner, new)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_rewritten(source.read_text(encoding="utf-8"), inner, new), encoding="utf-8")
    (target / "README.md").write_text(_README.format(new=new), encoding="utf-8")
    (target / ".gitignore").write_text("__pycache__/\n*.egg-info/\nbuild/\ndist/\n.venv/\n.pytest_cache/\n", encoding="utf-8")
    with opened(str(target), target) as project:
        for found in project.modules:
            update_surface(found, target)
    return target


def _files() -> Iterator[tuple[Path, Path]]:
    for source in sorted(TEMPLATE.rglob("*")):
        inner = source.relative_to(TEMPLATE)
        if source.is_file() and not _SKIPPED & set(inner.parts) and source.suffix != ".pyc":
            yield source, inner


def _renamed(inner: Path, new: NewModule) -> Path:
    parts = [new.package if part == "sample_module" else part for part in inner.parts]
    return Path(*parts[:-1], parts[-1].replace("sample_0001", f"{new.name}_0001"))


def _rewritten(text: str, inner: Path, new: NewModule) -> str:
    if inner.name == "pyproject.toml":
        # The sample's package has the name of its module; here it is apart, so that no other package of that name is in its way.
        text = text.replace('"sample_module:SampleModule"', f'"{new.package}:{new.camel}Module"')
        text = text.replace('packages = ["sample_module"]', f'packages = ["{new.package}"]')
        text = re.sub(r"^sample_module = \[", f"{new.package} = [", text, flags=re.MULTILINE)
        text = text.replace("\n[tool.setuptools]", f"{_PROJECT}\n[tool.setuptools]")
    if inner == Path("sample_module", "__init__.py"):
        text = re.sub(r'^""".*?"""', f'"""{new.words}."""', text, count=1, flags=re.DOTALL)
    core = core_version()
    replaced = {
        "dentalpin-sample-module": new.distribution,
        "sample_notes": f"{new.name}_notes",
        "sample_0001": f"{new.name}_0001",
        "sample_module": new.name,
        "SampleModule": f"{new.camel}Module",
        "SampleNote": f"{new.camel}Note",
        "Your Name": new.author,
        '"license": "MIT"': f'"license": "{new.license}"',
        '"min_core_version": "1.0.0"': f'"min_core_version": "{core}"'
        if re.fullmatch(r"\d+\.\d+\.\d+", core)
        else '"min_core_version": "1.0.0"',
        "Notes, as small as a module can be.": f"{new.words}: say in a sentence what it is for.",
    }
    for old, value in replaced.items():
        text = text.replace(old, value)
    if inner.name == "CHANGELOG.md":
        text = re.sub(r"\d{4}-\d{2}-\d{2}", f"{date.today():%Y-%m-%d}", text, count=1)  # noqa: DTZ011  the author's own day
    return text

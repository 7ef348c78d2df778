"""Small module distributions on disk, outside the repository: a dist-info with its entry point, on the Python path for one test."""

import importlib
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.core.plugins.loader import DiscoveredModule, Discovery, discover_modules

REVISION = """
from alembic import op
import sqlalchemy as sa

revision = {revision!r}
down_revision = {down!r}
branch_labels = {labels!r}
depends_on = {depends!r}
{extra}

def upgrade() -> None:
{upgrade}

def downgrade() -> None:
{downgrade}
"""
CLASS = """
from app.core.plugins import BaseModule

{imports}

class Module(BaseModule):
    manifest = {manifest!r}
{body}
"""


def table(name: str, *columns: str, clinic: bool = True) -> str:
    """`op.create_table` with an id, a clinic_id unless told otherwise, and further columns as source."""
    lines = ['sa.Column("id", sa.Uuid, primary_key=True, server_default=sa.text("gen_random_uuid()"))']
    if clinic:
        lines.append('sa.Column("clinic_id", sa.Uuid, sa.ForeignKey("clinics.id"), nullable=False, index=True)')
    return f'op.create_table("{name}", {", ".join([*lines, *columns])})'


def drop(name: str) -> str:
    return f'op.drop_table("{name}")'


@dataclass
class Package:
    """One module's distribution; each method writes one file and returns the package, so that calls can be chained."""

    site: Path
    name: str
    version: str = "1.0.0"
    distribution: str = ""
    manifest: dict[str, Any] = field(default_factory=dict)
    imports: str = ""
    body: str = ""

    @property
    def import_name(self) -> str:
        return f"dp_{self.name}"

    @property
    def path(self) -> Path:
        return self.site / self.import_name

    def write(self) -> "Package":
        shutil.rmtree(self.site, ignore_errors=True)
        self.path.mkdir(parents=True)
        manifest = {
            "name": self.name,
            "version": self.version,
            "summary": f"{self.name} for tests",
            "author": "tests",
            "license": "MIT",
            "category": "community",
            "min_core_version": "1.0.0",
            "depends": [],
            "installable": True,
            "auto_install": False,
            "removable": True,
            **self.manifest,
        }
        (self.path / "__init__.py").write_text(
            CLASS.format(imports=self.imports, manifest=manifest, body=textwrap.indent(self.body, "    "))
        )
        distribution = self.distribution or f"dentalpin-{self.name}"
        info = self.site / f"{distribution.replace('-', '_')}-{self.version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {self.version}\n")
        (info / "entry_points.txt").write_text(f"[dentalpin.modules]\n{self.name} = {self.import_name}:Module\n")
        return self

    def file(self, path: str, text: str) -> "Package":
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return self

    def seeds(self, text: str, path: str = "data/seeds.yaml") -> "Package":
        return self.file(path, textwrap.dedent(text))

    def revision(
        self,
        revision: str,
        *up: str,
        down: str = "0001",
        downgrade: Sequence[str] = (),
        labels: tuple[str, ...] | None = None,
        depends: tuple[str, ...] | None = None,
        extra: str = "",
    ) -> "Package":
        own_labels = labels if labels is not None else ((self.name,) if down == "0001" else None)
        return self.file(
            f"migrations/versions/{revision}.py",
            REVISION.format(
                revision=revision,
                down=down,
                labels=own_labels,
                depends=depends,
                extra=extra,
                upgrade="".join(f"    {line}\n" for line in up) or "    pass\n",
                downgrade="".join(f"    {line}\n" for line in downgrade) or "    pass\n",
            ),
        )

    def with_table(self, name: str, *columns: str, clinic: bool = True) -> "Package":
        """The usual first revision: one table of its own."""
        return self.revision(f"{self.name}_0001", table(name, *columns, clinic=clinic), downgrade=[drop(name)])


class Site:
    """The distributions of one test. What is added is importable; what is discovered is only what was added here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sites: list[Path] = []

    def add(
        self, name: str, *, distribution: str = "", version: str = "1.0.0", imports: str = "", body: str = "", **manifest: Any
    ) -> Package:
        """Write (or write anew) the distribution of module `name`; keywords are manifest fields."""
        site = self.folder / (distribution or name)
        package = Package(site, name, version, distribution, manifest, imports, body).write()
        if site not in self._sites:
            self._sites.append(site)
            sys.path.insert(0, str(site))
        self.forget(package.import_name)
        return package

    def remove(self, name: str) -> None:
        """The package vanishes, as after `pip uninstall`."""
        site = self.folder / name
        shutil.rmtree(site)
        self._sites.remove(site)
        sys.path.remove(str(site))
        self.forget(f"dp_{name}")

    def discover(self) -> Discovery:
        return discover_modules([str(site) for site in self._sites])

    def discovered(self, name: str) -> DiscoveredModule:
        return self.discover().modules[name]

    def forget(self, import_name: str) -> None:
        for module in [loaded for loaded in sys.modules if loaded == import_name or loaded.startswith(f"{import_name}.")]:
            del sys.modules[module]
        importlib.invalidate_caches()

    def close(self) -> None:
        for site in self._sites:
            sys.path.remove(str(site))
            for package in site.glob("dp_*"):
                self.forget(package.name)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "site")
    yield made
    made.close()

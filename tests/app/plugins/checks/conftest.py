"""The disk layout of an author: a source folder with pyproject.toml, outside the repository, in a git repository of its own."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from app.core.plugins.checks.judging import judge
from app.core.plugins.checks.projects import opened
from app.core.plugins.checks.versioning import update_surface
from tests.support.packages import site

__all__ = ["site"]

ROUTER = """
from typing import Annotated
from fastapi import APIRouter, Depends
from pydantic import BaseModel
from app.core.auth.dependencies import ClinicContext, get_clinic_context, require_permission

router = APIRouter()
Clinic = Annotated[ClinicContext, Depends(get_clinic_context)]
MayRead = Annotated[None, Depends(require_permission("{name}.items.read"))]

class Item(BaseModel):
    code: str
    name: str | None = None

@router.get("/items", response_model=list[Item])
async def list_items(ctx: Clinic, _: MayRead, page: int = 1) -> list[Item]:
    return []
"""
INIT = """
from app.core.plugins import BaseModule

class Module(BaseModule):
    manifest = {manifest!r}

    def get_permissions(self):
        return ["items.read", "items.write"]

    def get_router(self):
        from .router import router
        return router
"""


class AuthorsFolder:
    """One community module as source. `git` is a repository of its own."""

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name, self.package = root, name, root / f"dp_{name}"
        self.package.mkdir(parents=True)
        self.version("0.1.0")
        self.write("router.py", ROUTER.format(name=name))

    def version(self, version: str, **manifest) -> "AuthorsFolder":
        known = {
            "name": self.name, "version": version, "summary": "x", "author": "x", "license": "MIT", "category": "community",
            "min_core_version": "1.0.0", "depends": [], "installable": True, "auto_install": False, "removable": True,
        }  # fmt: skip
        self.write("__init__.py", INIT.format(manifest={**known, **manifest}))
        (self.root / "pyproject.toml").write_text(
            textwrap.dedent(f"""
                [build-system]
                requires = ["setuptools>=61.0"]
                build-backend = "setuptools.build_meta"

                [project]
                name = "dentalpin-{self.name}"
                version = "{version}"

                [project.entry-points."dentalpin.modules"]
                {self.name} = "dp_{self.name}:Module"

                [tool.setuptools]
                packages = ["dp_{self.name}"]
            """)
        )
        headings = (self.root / "CHANGELOG.md").read_text() if (self.root / "CHANGELOG.md").exists() else ""
        if f"## {version} " not in headings:
            (self.root / "CHANGELOG.md").write_text(f"## {version} - 2026-11-22\n- x\n\n{headings}")
        return self

    def write(self, file: str, text: str) -> "AuthorsFolder":
        path = self.package / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return self

    def edit(self, file: str, old: str, new: str) -> "AuthorsFolder":
        text = (self.package / file).read_text()
        assert old in text
        return self.write(file, text.replace(old, new))

    def _forget(self) -> None:
        for loaded in [module for module in sys.modules if module.split(".")[0] == f"dp_{self.name}"]:
            del sys.modules[loaded]

    def judge(self, **options):
        self._forget()
        with opened(str(self.root), self.root) as project:
            return judge(project, core_version="1.0.0", wheel=options.pop("wheel", False), **options)

    def codes(self, **options) -> list[str]:
        return [issue.code for issue in self.judge(**options)]

    def update(self) -> "AuthorsFolder":
        self._forget()
        with opened(str(self.root), self.root) as project:
            for found in project.modules:
                update_surface(found, self.root)
        return self

    def git(self, *arguments: str) -> str:
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", "-C", str(self.root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def commit(self, *, tag: str = "") -> "AuthorsFolder":
        if not (self.root / ".git").exists():
            self.git("init", "--quiet")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "x")
        if tag:
            self.git("tag", tag)
        return self


@pytest.fixture
def author(tmp_path):
    made = AuthorsFolder(tmp_path / "repository", "stock")
    yield made
    made._forget()

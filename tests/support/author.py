"""An author's own repository: a folder with tests, an environment with what was installed into it, and `pytest` run in there."""

import os
import subprocess
from pathlib import Path

from tests.support.postgres import Postgres
from tests.support.runtime_env import make_overlay


class Author:
    def __init__(self, folder: Path, postgres: Postgres) -> None:
        self.folder = folder
        self.repository = folder / "repository"
        self.repository.mkdir()
        self._postgres = postgres

    def write(self, path: str, text: str) -> None:
        target = self.repository / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def overlay(self, *distributions: Path) -> Path:
        """An environment with this checkout's core and `distributions` as wheels."""
        return make_overlay(self.folder / "env", *distributions)

    def run(self, environment: Path, *command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """A program in the repository, knowing nothing of this process's surroundings but where PostgreSQL is.

        The server is given by the address of a role that is no superuser.
        """
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        given = {"PATH": f"{environment / 'bin'}:{os.environ['PATH']}", "DATABASE_URL": self._postgres.admin_url}
        given["PG_BINDIR"] = str(self._postgres.bindir)
        return subprocess.run(
            command, cwd=self.repository, env={**kept, **given, **variables}, capture_output=True, text=True, check=False, timeout=280
        )

    def pytest(self, environment: Path, *options: str) -> subprocess.CompletedProcess[str]:
        return self.run(environment, environment / "bin" / "python", "-m", "pytest", "-q", "-rfE", "-p", "no:cacheprovider", *options)

"""The wheel alone runs a clinic: built, installed into an empty environment, one life cycle."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.distributions import NOT_SOURCE
from tests.support.runtime_env import make_environment

ROOT = Path(__file__).parents[2]
NOT_PACKED = {*NOT_SOURCE, "tests", "conftest.py"}


@pytest.fixture(scope="module")
def environment(core_wheel, tmp_path_factory):
    return make_environment(tmp_path_factory.mktemp("wheel") / "env", core_wheel)


def run(environment: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [environment / "bin" / "python", "-m", "app.cli.main", *arguments]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(command, env={**kept, **variables}, cwd=environment, capture_output=True, text=True, timeout=120, check=False)


def test_the_wheel_holds_everything_a_life_cycle_needs(environment, tenant_database, tmp_path):
    described = run(environment, "release", "describe")
    assert described.returncode == 0, described.stderr
    assert {"patients", "agenda"} <= set(json.loads(described.stdout)["modules"])
    where = subprocess.run(
        [environment / "bin" / "python", "-c", "import app, app.modules.patients as m; print(app.__file__); print(m.__file__)"],
        cwd=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert all(line.startswith(str(environment)) for line in where.splitlines()), where

    variables = {
        "DATABASE_URL": tenant_database.app_url,
        "OWNER_DATABASE_URL": tenant_database.owner_url,
        "DENTALPIN_STORAGE": str(tmp_path / "storage"),
        "DENTALPIN_SECRET_KEY": "only for this test, and long enough",
        "PG_BINDIR": str(tenant_database.bindir),
    }

    def modules(*arguments: str) -> str:
        done = run(environment, "modules", *arguments, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def state_of_agenda() -> str:
        return {module["name"]: module["state"] for module in json.loads(modules("list", "--json"))["data"]}["agenda"]

    modules("process")
    if state_of_agenda() == "uninstalled":
        modules("install", "agenda")
        modules("process")
    assert state_of_agenda() == "installed"
    modules("uninstall", "agenda")
    modules("process", "--removals")
    assert state_of_agenda() == "uninstalled"
    modules("install", "agenda")
    modules("process")
    assert state_of_agenda() == "installed"


def test_nothing_of_the_checkout_is_missing_from_the_wheel(environment):
    packages = next((environment / "lib").glob("python*")) / "site-packages"
    for folder, package in (
        ("runtime/app", "app"),
        ("modules", "app/modules"),
        ("control_plane", "control_plane"),
        ("runtime/dentalpin_kit", "dentalpin_kit"),
    ):
        files = (path for path in (ROOT / folder).rglob("*") if path.is_file())
        source = {path.relative_to(ROOT / folder) for path in files if not NOT_PACKED & set(path.parts)}
        assert [str(path) for path in sorted(source) if not (packages / package / path).exists()] == [], package

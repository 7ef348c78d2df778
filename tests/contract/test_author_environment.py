"""A module in a repository of its own: two wheels in an empty environment, nothing of this checkout, and its tests pass."""

import re
import shutil
import subprocess

from tests.support.author import Author
from tests.support.installation import wait_for
from tests.support.postgres import Postgres, fetch_value
from tests.support.runtime_env import INVENTORY, make_environment


def test_the_inventorys_own_tests_pass_where_only_wheels_are_installed(core_wheel, inventory_wheel, postgres, tmp_path):
    author = Author(tmp_path, postgres)
    environment = make_environment(tmp_path / "env", core_wheel, inventory_wheel)
    shutil.copytree(INVENTORY / "tests", author.repository / "tests")
    shutil.copy(INVENTORY / "pyproject.toml", author.repository)
    written = len(re.findall(r"^(?:async )?def test_", "".join(path.read_text() for path in INVENTORY.glob("tests/*.py")), re.MULTILINE))

    done = author.pytest(environment)

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    passed = int(re.search(r"(\d+) passed", done.stdout).group(1))
    assert passed > written, "the conformance suite ran as well"
    # Other tests give authors the same server: what is theirs goes when they end, what this run left stays.
    left = on_the_server(postgres)
    wait_for(lambda: not left & on_the_server(postgres), "nothing of the run is left on the given server", seconds=150)


def on_the_server(postgres: Postgres) -> set[str]:
    """Databases and roles that runs of the plugin made."""
    made = "SELECT datname AS name FROM pg_database UNION ALL SELECT rolname FROM pg_roles"
    names = fetch_value(postgres.superuser_url, f"SELECT string_agg(name, ' ') FROM ({made}) made WHERE name LIKE 'dentalpin_test_%'")
    return set(str(names or "").split())


PRINTED = """
import pytest


@pytest.mark.asyncio
async def test_create_item(client, auth_headers):
    response = await client.post(
        "/api/v1/inventory/items",
        json={"code": "X", "name": "Widget"},
        headers=auth_headers,
    )
    assert response.status_code == 201
"""


def test_the_guides_printed_test_passes_without_any_configuration(core_wheel, inventory_wheel, postgres, tmp_path):
    """Neither a conftest nor settings for pytest: the plugin finds the module in pyproject.toml."""
    author = Author(tmp_path, postgres)
    author.write("pyproject.toml", '[project]\nname = "x"\n[project.entry-points."dentalpin.modules"]\ninventory = "x:X"\n')
    author.write("tests/test_items.py", PRINTED)

    done = author.pytest(make_environment(tmp_path / "env", core_wheel, inventory_wheel))

    assert "1 passed" in done.stdout, done.stdout[-6000:] + done.stderr


def test_the_core_in_use_is_the_wheels(core_wheel, tmp_path):
    environment = make_environment(tmp_path / "env", core_wheel)
    script = "import app.testing.plugin as plugin; print(plugin.__file__, plugin.lacking)"

    shown = subprocess.run([environment / "bin" / "python", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    assert shown.startswith(str(environment))
    assert shown.endswith("[]\n")

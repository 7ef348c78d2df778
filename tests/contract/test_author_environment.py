"""A module in a repository of its own: two wheels in an empty environment, nothing of this checkout, and its tests pass."""

import re
import shutil
import subprocess

from tests.support.author import Author
from tests.support.postgres import fetch_value
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
    for catalogue, name in (("pg_database", "datname"), ("pg_roles", "rolname")):
        left = f"SELECT count(*) FROM {catalogue} WHERE {name} LIKE 'dentalpin_test_%'"
        assert fetch_value(postgres.superuser_url, left) == 0, f"the run left something in {catalogue} of the given server"


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

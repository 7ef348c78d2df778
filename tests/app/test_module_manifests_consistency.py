"""What modules say about themselves holds (ADR 0001): manifests against code, migrations, models, changelogs and import contracts."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from app.core.auth.permissions import ROLES
from app.core.plugins.loader import CORE_DISTRIBUTION, Discovery, discover_modules
from app.core.plugins.manifest_validator import validate_discovery
from app.core.plugins.processor import core_version
from app.core.plugins.revisions import read_book

ROOT = Path(__file__).parents[2]
OFFICIAL = ("agenda", "patients")
EVERY = (*OFFICIAL, "inventory", "sample_module")
# The guide prints no tools for its inventory.
KNOWN = {"inventory": {"WRITE_ROUTE_WITHOUT_TOOL"}}


@pytest.fixture(scope="module")
def modules(inventory_installed, sample_module_installed):
    found = discover_modules()
    return {name: found.get(name) for name in EVERY}


def test_every_folder_of_modules_is_an_entry_point_and_the_reverse():
    folders = {path.parent.name for path in (ROOT / "modules").glob("*/__init__.py")}
    entry_points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["dentalpin.modules"]

    assert folders == set(entry_points) == set(OFFICIAL)


def test_no_module_has_an_issue(modules):
    """Warnings included: what the core ships, the example and the sample are what others copy."""
    found = Discovery(modules)
    book = read_book({module.name: module.versions_path for module in found}, {})

    issues = validate_discovery(found, [revision.facts for revision in book.revisions.values()], core_version=core_version(), roles=ROLES)

    assert [f"{issue.code} {issue.message}" for issue in issues] == []
    assert book.errors == {}


def test_what_ships_with_the_core_and_nothing_else_is_official(modules):
    assert {name for name in EVERY if modules[name].manifest.category == "official"} == set(OFFICIAL)
    assert {module.name for module in discover_modules() if module.distribution == CORE_DISTRIBUTION} == set(OFFICIAL)


@pytest.mark.parametrize("name", EVERY)
def test_every_check_of_a_module_holds_for_those_others_copy(name):
    """The same as `dentalpin modules check FOLDER`, each in a process of its own, as an author runs it."""
    folders = {"inventory": ROOT / "examples/dentalpin_inventory", "sample_module": ROOT / "tests/fixtures/sample_module"}
    folder = folders.get(name, ROOT / "modules" / name)

    done = subprocess.run(
        [sys.executable, "-m", "app.cli.main", "modules", "check", "--no-wheel", "--json", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )

    issues = json.loads(done.stdout)["data"]["issues"]
    assert [issue["message"] for issue in issues if issue["code"] not in KNOWN.get(name, ())] == []


def test_the_import_contract_allows_what_the_manifests_allow_and_no_more(modules):
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [contract] = [contract for contract in contracts if contract["type"] == "independence"]
    arrows = {re.match(r"app\.modules\.(\w+)\S* -> app\.modules\.(\w+)", arrow).groups() for arrow in contract["ignore_imports"]}

    assert set(contract["modules"]) == {f"app.modules.{name}" for name in OFFICIAL}
    assert arrows == {(name, need) for name in OFFICIAL for need in modules[name].manifest.depends}

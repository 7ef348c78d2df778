"""The built wheel is opened: what is missing in it is missing for everybody who installs it."""

import json

import pytest

from app.cli.commands import run
from app.core.plugins.checks.wheels import build_wheel
from tests.app.plugins.checks.test_versioning import REVISION

LAYER = {"layer_path": "frontend"}
PACKAGE_DATA = """
[tool.setuptools.package-data]
dp_stock = ["data/*.yaml", "migrations/versions/*.py", "frontend/**/*"]
"""


@pytest.fixture
def stocked(author):
    """A module with a seed file, a revision and a layer, and none of them in its package data."""
    author.version("0.1.0", data_files=["data/seeds.yaml"], frontend=LAYER)
    author.write("data/seeds.yaml", "[]").write("frontend/nuxt.config.ts", "export default {}")
    author.write("migrations/versions/stock_0001.py", REVISION.format(revision="stock_0001", down="0001", labels=("stock",)))
    return author.update()


def pack_everything(author):
    project = author.root / "pyproject.toml"
    project.write_text(project.read_text() + PACKAGE_DATA)
    return author


def check(capsys, *arguments):
    status = run(["modules", "check", "--json", *map(str, arguments)])
    data = json.loads(capsys.readouterr().out)["data"]
    return status, data["modules"], [(issue["code"], issue["message"]) for issue in data["issues"]]


def test_what_the_source_has_and_the_wheel_lacks_is_named(stocked, capsys):
    status, modules, issues = check(capsys, stocked.root)

    assert (status, modules) == (1, ["stock"])
    assert {code for code, _ in issues} == {"WHEEL_FILE_MISSING"}
    told = " ".join(message for _, message in issues)
    for file in ("dp_stock/data/seeds.yaml", "dp_stock/migrations/versions/stock_0001.py", "dp_stock/frontend/nuxt.config.ts"):
        assert file in told


def test_a_wheel_with_everything_has_no_issue(stocked, capsys):
    assert check(capsys, pack_everything(stocked).root) == (0, ["stock"], [])
    assert not (stocked.root / "build").exists(), "nothing is left in the author's tree"


def test_an_entry_point_that_was_forgotten(stocked, capsys):
    pack_everything(stocked)
    wheel = build_wheel(stocked.root, stocked.root.parent / "built")
    project = stocked.root / "pyproject.toml"
    project.write_text(project.read_text().replace('[project.entry-points."dentalpin.modules"]', "[project.entry-points.others]"))

    assert check(capsys, wheel) == (0, ["stock"], [])
    assert run(["modules", "check", str(build_wheel(stocked.root, stocked.root.parent / "again"))]) == 2
    assert "is no module" in capsys.readouterr().err


def test_a_finished_wheel_is_judged_by_itself(stocked, capsys):
    """The manifest's files are missing, and models would have no branch."""
    wheel = build_wheel(stocked.root, stocked.root.parent / "built")
    stocked._forget()

    status, modules, issues = check(capsys, wheel)

    assert (status, modules) == (1, ["stock"])
    assert {code for code, _ in issues} == {"DATA_FILE_MISSING", "LAYER_MISSING"}


def test_a_wheel_that_cannot_be_built_is_said_and_no_error(stocked, capsys):
    pack_everything(stocked)
    project = stocked.root / "pyproject.toml"
    project.write_text(project.read_text().replace("setuptools.build_meta", "no_such_backend"))

    status, _, issues = check(capsys, stocked.root)

    assert (status, [code for code, _ in issues]) == (0, ["WHEEL_NOT_BUILT"])


def test_an_installed_module_is_checked_by_its_name(capsys):
    assert check(capsys, "patients", "--no-wheel") == (0, ["patients"], [])


def test_where_there_is_no_module_nothing_is_checked(tmp_path, capsys):
    assert run(["modules", "check", str(tmp_path)]) == 2
    assert "entry points of the group dentalpin.modules" in capsys.readouterr().err


def test_strict_takes_warnings_for_errors(author, capsys):
    assert run(["modules", "check", "--no-wheel", str(author.root)]) == 0
    assert "0 to correct, 1 to look at" in capsys.readouterr().out
    assert run(["modules", "check", "--no-wheel", "--strict", str(author.root)]) == 1


def test_update_writes_the_surface(author, capsys):
    assert run(["modules", "check", "--no-wheel", "--strict", "--update", str(author.root)]) == 0
    assert json.loads((author.root / "surface.json").read_text())["routes"].keys() == {"GET /items"}


def test_a_package_that_cannot_be_imported_is_an_issue(author, capsys):
    author.write("router.py", "raise RuntimeError('no')").edit("__init__.py", "class Module", "from .router import x\nclass Module")

    status, _, issues = check(capsys, author.root, "--no-wheel")

    assert (status, [code for code, _ in issues]) == (1, ["MODULE_NOT_LOADABLE"])

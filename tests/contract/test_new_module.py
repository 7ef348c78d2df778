"""`dentalpin modules new` where only the core's wheel is installed: what it writes passes `check` and its own tests as it is."""

import subprocess

import pytest

from tests.support.author import Author
from tests.support.distributions import build_wheel
from tests.support.runtime_env import make_environment


@pytest.fixture
def author(tmp_path, postgres):
    return Author(tmp_path, postgres)


def dentalpin(author, environment, *arguments) -> subprocess.CompletedProcess[str]:
    return author.run(environment, environment / "bin" / "python", "-m", "app.cli.main", *arguments)


def test_a_new_module_passes_check_and_its_own_tests(author, core_wheel, tmp_path):
    environment = make_environment(tmp_path / "env", core_wheel)
    made = dentalpin(author, environment, "modules", "new", "lab_orders", "--path", ".", "--author", "Ana")
    assert made.returncode == 0, made.stderr

    checked = dentalpin(author, environment, "modules", "check", "--strict", ".")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout == "lab_orders: nothing to correct.\n"
    files = {path.relative_to(author.repository).as_posix() for path in author.repository.rglob("*") if path.is_file()}
    assert {"surface.json", "CHANGELOG.md", "README.md", "dentalpin_lab_orders/migrations/versions/lab_orders_0001_initial.py"} <= files
    text = "".join((author.repository / file).read_text() for file in files if file.endswith((".py", ".toml", ".md", ".yaml", ".json")))
    assert "sample" not in text.lower()

    wheel = build_wheel(author.repository, tmp_path / "wheel")
    installed = make_environment(tmp_path / "installed", core_wheel, wheel)
    tested = author.pytest(installed)
    assert tested.returncode == 0, tested.stdout[-6000:] + tested.stderr
    assert "passed" in tested.stdout


@pytest.mark.parametrize(
    ("name", "reason"), [("Lab", "snake_case"), ("agents", "the core uses"), ("patients", "dentalpin-core has a module")]
)
def test_a_name_that_cannot_be_is_refused(author, core_wheel, tmp_path, name, reason):
    environment = make_environment(tmp_path / "env", core_wheel)

    refused = dentalpin(author, environment, "modules", "new", name)

    assert refused.returncode == 2
    assert reason in refused.stderr
    assert list(author.repository.iterdir()) == []

import subprocess
import sys

import pytest


def dentalpin(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "app.cli.main", *arguments], capture_output=True, text=True, env=environment or None, check=False
    )


def test_the_help_names_every_group():
    done = dentalpin("--help")

    assert done.returncode == 0
    assert all(name in done.stdout for name in ("serve", "release", "modules"))


def test_an_unknown_command_is_an_error_of_use():
    done = dentalpin("nonsense")

    assert done.returncode == 2
    assert "nonsense" in done.stderr


def test_a_missing_setting_is_one_line_that_names_it():
    done = dentalpin("serve", PATH="/usr/bin:/bin")

    assert done.returncode == 1
    assert "DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_setting_that_is_refused_is_one_line_without_what_was_given():
    command = ("modules", "list")
    weak = dentalpin(*command, PATH="/usr/bin:/bin", DENTALPIN_SECRET_KEY="hunter2")
    missing = dentalpin(*command, PATH="/usr/bin:/bin", OWNER_DATABASE_URL_FILE="/nowhere/owner.url")

    assert (weak.returncode, missing.returncode) == (1, 1)
    assert "DENTALPIN_SECRET_KEY is shorter than 32 characters" in weak.stderr
    assert "/nowhere/owner.url" in missing.stderr
    for done in (weak, missing):
        assert "hunter2" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_waking_imports_neither_the_command_line_nor_the_web_framework():
    program = "import sys; from app.cli import main; import app.serve, app.core.runtime.quick_check; print(*sys.modules)"
    imported = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()

    assert {"typer", "click", "rich", "fastapi", "pydantic", "sqlalchemy", "alembic", "joserfc"}.isdisjoint(imported)


@pytest.mark.parametrize("heavy", ["alembic", "apscheduler", "typer", "joserfc"])
def test_the_serving_stage_imports_nothing_that_only_boot_or_the_cli_needs(heavy):
    served = "app.core.runtime.stage, app.main, app.core.plugins.router, app.core.runtime.router, app.core.jobs.runner"
    program = f"import sys, {served}; print(*sys.modules)"
    imported = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()

    assert heavy not in imported

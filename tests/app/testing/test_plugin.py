"""The plugin is loaded by every run of pytest in an environment with the core: it costs little, and does no harm without the extra."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.postgres import APP, fetch_value

SCRIPT = """
import json, sys
for name in sys.argv[1:]:
    sys.modules[name] = None
import app.testing.plugin as plugin
heavy = [name for name in ("sqlalchemy", "fastapi", "asyncpg", "app.database") if name in sys.modules]
print(json.dumps([plugin.pytest_report_header(), heavy, hasattr(plugin, "client")]))
"""


def load(*without: str):
    done = subprocess.run([sys.executable, "-c", SCRIPT, *without], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_loading_it_imports_nothing_heavy():
    assert load() == [None, [], True]


def test_without_the_extra_it_says_what_to_install_and_gives_no_fixtures():
    header, heavy, fixtures = load("pytest_asyncio")

    assert "pip install 'dentalpin-core[tests]'" in header
    assert (heavy, fixtures) == ([], False)


@pytest.fixture
def first_test(tmp_path):
    """Runs a test that needs the server, in a folder without anything else; what pytest says."""
    (tmp_path / "test_first.py").write_text("def test_first(postgres_server):\n    pass\n")

    def run(**variables: str) -> str:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "app.testing.plugin", "-p", "no:cacheprovider", "test_first.py"]
        return subprocess.run(command, cwd=tmp_path, env={**kept, **variables}, capture_output=True, text=True, check=False).stdout

    return run


def test_a_role_that_may_make_nothing_is_told_what_it_needs(first_test, postgres):
    said = first_test(DATABASE_URL=postgres.url(APP, "postgres"))

    assert "DATABASE_URL cannot be used (permission denied to create role" in said
    assert "CREATEROLE and CREATEDB" in said


def test_a_server_that_is_not_there_is_named_as_the_reason(first_test):
    said = first_test(DATABASE_URL="postgresql://nobody@127.0.0.1:1/postgres")

    assert "DATABASE_URL cannot be used" in said


def test_binaries_that_are_not_there_are_asked_for(first_test, tmp_path):
    said = first_test(PG_BINDIR=str(tmp_path))

    assert "holds no PostgreSQL server" in said


def test_a_given_server_is_left_as_it_was(first_test, postgres):
    roles = "SELECT coalesce(array_agg(rolname ORDER BY rolname), '{}') FROM pg_roles"
    before = fetch_value(postgres.superuser_url, roles)

    assert "1 passed" in first_test(DATABASE_URL=postgres.admin_url)
    assert fetch_value(postgres.superuser_url, roles) == before

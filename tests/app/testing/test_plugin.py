"""The plugin is loaded by every run of pytest in an environment with the core: it costs little, and does no harm without the extra."""

import json
import subprocess
import sys

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

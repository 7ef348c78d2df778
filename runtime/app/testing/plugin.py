"""The pytest plugin of `dentalpin-core[tests]` (entry-point group `pytest11`).

It is loaded by every run of pytest in an environment with dentalpin-core, so it imports next to nothing, and without the extra it only
says that the fixtures are off.
"""

import importlib.util

import pytest

NEEDED = ("pytest_asyncio", "httpx2")
lacking = [name for name in NEEDED if importlib.util.find_spec(name) is None]

if not lacking:
    pytest.register_assert_rewrite("app.testing.conformance")
    from .fixtures import *  # noqa: F403 - pytest takes fixtures from the plugin's namespace


def pytest_report_header() -> str | None:
    """What is missing, in place of "fixture 'client' not found"."""
    return f"dentalpin: no fixtures, since {', '.join(lacking)} is not installed: pip install 'dentalpin-core[tests]'" if lacking else None

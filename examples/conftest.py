"""The example's own tests run here against the example as a user installs it: a wheel found by its entry point."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def _installed(inventory_installed):
    return inventory_installed

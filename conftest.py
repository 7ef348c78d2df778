"""Fixtures of the whole suite."""

import pytest

pytest_plugins = ["tests.support.postgres"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="also run the exhaustive matrices")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The exhaustive matrices run only when asked for: `./dev test --full`."""
    if config.getoption("--full"):
        return
    skip = pytest.mark.skip(reason="part of the exhaustive matrix; run ./dev test --full")
    for item in items:
        if item.get_closest_marker("full"):
            item.add_marker(skip)

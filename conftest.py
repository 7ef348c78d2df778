"""Fixtures of the whole suite."""

pytest_plugins = [
    "tests.support.postgres",
    "tests.support.core",
    "tests.support.events",
    "tests.support.distributions",
    "tests.support.clinic",
]

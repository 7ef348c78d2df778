"""Fixtures of the whole suite: the plugin that authors of modules use, and what tests of the core need beside it."""

pytest_plugins = [
    "app.testing.plugin",
    "tests.support.scheduling",
    "tests.support.postgres",
    "tests.support.core",
    "tests.support.events",
    "tests.support.distributions",
]

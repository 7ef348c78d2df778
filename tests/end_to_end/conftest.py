"""One platform for all end-to-end tests of a worker; each test signs up clinics of its own."""

import shutil
from collections.abc import Iterator

import pytest

from tests.support.installation import Platform
from tests.support.platform import migrated_database, platform_settings, platform_template, runtime_environment
from tests.support.runtime_env import make_overlay

__all__ = ["migrated_database", "platform_settings", "platform_template", "runtime_environment"]


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    running = Platform(folder / "var", make_overlay(folder / "runtime-env"))
    try:
        yield running.up()
    finally:
        running.down()
        shutil.rmtree(folder, ignore_errors=True)

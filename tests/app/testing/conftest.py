"""Modules of kinds that are easily forgotten, built and installed as their users get them."""

from pathlib import Path

import pytest

from tests.support.distributions import build_wheel, installed

KINDS = Path(__file__).parents[2] / "fixtures" / "kinds"


@pytest.fixture(scope="module")
def kind_installed(request, tmp_path_factory):
    """The distribution of the module that the test file's MODULE names."""
    name = request.module.MODULE
    folder = tmp_path_factory.mktemp(name)
    with installed(build_wheel(KINDS / name, folder), folder / "site") as site:
        yield site

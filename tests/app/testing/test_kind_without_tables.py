"""A module from a wheel, without tables."""

import pytest

from app.testing.conformance import *  # noqa: F403

MODULE = "greeting"
pytestmark = pytest.mark.usefixtures("kind_installed")

"""A module from a wheel, with a migration that needs autocommit."""

import pytest

from app.testing.conformance import *  # noqa: F403

MODULE = "lookup"
pytestmark = pytest.mark.usefixtures("kind_installed")

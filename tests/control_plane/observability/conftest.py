"""Counts of one test do not reach the next."""

import pytest

from control_plane.observability.metrics import INSTRUMENTS


@pytest.fixture(autouse=True)
def _from_nothing():
    INSTRUMENTS.clear()
    yield
    INSTRUMENTS.clear()

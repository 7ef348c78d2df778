"""A module from a wheel, with three revisions."""

import pytest

from app.testing.conformance import *  # noqa: F403

MODULE = "ledger"
pytestmark = pytest.mark.usefixtures("kind_installed")


async def populate(client, clinic):
    response = await client.post("/api/v1/ledger/entries", json={"title": "Gloves", "lines": 3}, headers=clinic.headers)
    assert response.status_code == 201, response.text

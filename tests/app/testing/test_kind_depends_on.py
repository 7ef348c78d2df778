"""A module from a wheel, whose migration depends on another's branch."""

import pytest

from app.testing.conformance import *  # noqa: F403

MODULE = "alerts"
pytestmark = pytest.mark.usefixtures("kind_installed")


async def populate(client, clinic):
    response = await client.post("/api/v1/patients", json={"first_name": "Ana"}, headers=clinic.headers)
    assert response.status_code == 201, response.text


async def test_a_patient_gets_an_alert(populated, subject, operations, two_clinics):
    rows = await subject.rows_of_clinic(operations, two_clinics.a.id)

    assert len(rows["alerts"]) == 1

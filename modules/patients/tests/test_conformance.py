"""What every module must be able to do."""

from app.testing.conformance import *  # noqa: F403

MODULE = "patients"


async def populate(client, clinic):
    response = await client.post("/api/v1/patients", json={"first_name": "Ana", "last_name": "García"}, headers=clinic.headers)
    assert response.status_code == 201, response.text

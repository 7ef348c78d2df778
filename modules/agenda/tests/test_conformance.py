"""What every module must be able to do."""

from app.testing.conformance import *  # noqa: F403

MODULE = "agenda"


async def populate(client, clinic):
    patient = await client.post("/api/v1/patients", json={"first_name": "Ana"}, headers=clinic.headers)
    [cabinet] = (await client.get("/api/v1/agenda/cabinets", headers=clinic.headers)).json()["data"]
    booking = {
        "patient_id": patient.json()["data"]["id"],
        "professional_id": str(clinic.people["dentist"]),
        "cabinet_id": cabinet["id"],
        "starts_at": "2026-11-23T10:00:00+01:00",
        "ends_at": "2026-11-23T10:30:00+01:00",
    }
    response = await client.post("/api/v1/agenda/appointments", json=booking, headers=clinic.headers)
    assert response.status_code == 201, response.text

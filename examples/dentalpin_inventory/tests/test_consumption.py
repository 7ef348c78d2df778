"""A completed appointment takes from stock what it uses up, in its own clinic, once."""

import pytest
from sqlalchemy import text

URL = "/api/v1/inventory"


@pytest.fixture
async def completed(client, two_clinics):
    """The id of an appointment of the first clinic that went from booking to completion."""
    headers = two_clinics.a.headers
    patient = await client.post("/api/v1/patients", json={"first_name": "Ana"}, headers=headers)
    [cabinet] = (await client.get("/api/v1/agenda/cabinets", headers=headers)).json()["data"]
    booking = {
        "patient_id": patient.json()["data"]["id"],
        "professional_id": str(two_clinics.a.people["dentist"]),
        "cabinet_id": cabinet["id"],
        "starts_at": "2026-11-23T10:00:00+01:00",
        "ends_at": "2026-11-23T10:30:00+01:00",
    }
    appointment = (await client.post("/api/v1/agenda/appointments", json=booking, headers=headers)).json()["data"]
    for status in ("confirmed", "checked_in", "in_treatment", "completed"):
        url = f"/api/v1/agenda/appointments/{appointment['id']}/transitions"
        response = await client.post(url, json={"to_status": status}, headers=headers)
        assert response.status_code == 200, response.text
    return appointment["id"]


async def movements(client, headers):
    found = (await client.get(f"{URL}/movements", headers=headers)).json()["data"]
    return [(movement["appointment_id"], movement["quantity"], movement["reason"]) for movement in found]


async def test_a_completed_appointment_is_taken_from_stock(client, two_clinics, completed, outbox):
    await outbox.deliver()

    assert await movements(client, two_clinics.a.headers) == [(completed, "-1.000", "appointment_completed")]
    assert await movements(client, two_clinics.b.headers) == []


async def test_only_the_completion_has_a_delivery_and_it_is_done(completed, outbox):
    await outbox.deliver()

    assert await outbox.deliveries() == [("appointment.completed", "inventory", "done")]


async def test_nothing_is_taken_before_the_delivery(client, auth_headers, completed):
    assert await movements(client, auth_headers) == []


async def test_an_appointment_told_twice_is_taken_once(db_session, two_clinics, completed):
    # Here, and not above: in the core's own suite the package is installed after the tests were collected.
    from dentalpin_inventory.events import on_appointment_completed

    data = {"clinic_id": str(two_clinics.a.id), "appointment_id": completed}

    await on_appointment_completed(db_session, data)
    await on_appointment_completed(db_session, data)

    rows = await db_session.execute(text("SELECT quantity FROM inventory_stock_movements"))
    assert [float(row.quantity) for row in rows] == [-1]


async def test_an_item_no_appointment_uses_stays_in_stock(client, auth_headers, two_clinics, outbox, completed):
    await client.post(f"{URL}/items", json={"code": "X", "name": "Widget"}, headers=auth_headers)

    await outbox.deliver()

    assert len(await movements(client, auth_headers)) == 1

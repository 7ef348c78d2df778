"""What other modules are told about patients, and that it is told only if it happened."""

from app.core.events import EventType

URL = "/api/v1/patients"


async def test_creating_a_patient_is_told(client, two_clinics, published):
    patient = (await client.post(URL, json={"first_name": "Ana"}, headers=two_clinics.a.headers)).json()["data"]

    [event] = await published(EventType.PATIENT_CREATED)
    assert event == {"clinic_id": str(two_clinics.a.id), "patient_id": patient["id"], "status": "active", "version": 1}


async def test_a_change_is_told_by_the_names_of_the_fields_never_their_values(client, auth_headers, published):
    patient = (await client.post(URL, json={"first_name": "Ana"}, headers=auth_headers)).json()["data"]
    change = {"version": 1, "notes": "HIV positive", "phone": "600123456"}

    await client.patch(f"{URL}/{patient['id']}", json=change, headers=auth_headers)

    [event] = await published(EventType.PATIENT_UPDATED)
    assert event["changed_fields"] == ["notes", "phone"]
    assert "HIV" not in str(event)


async def test_a_change_that_changes_nothing_is_not_told(client, auth_headers, published):
    patient = (await client.post(URL, json={"first_name": "Ana"}, headers=auth_headers)).json()["data"]

    response = await client.patch(f"{URL}/{patient['id']}", json={"version": 1, "first_name": "Ana"}, headers=auth_headers)

    assert response.json()["data"]["version"] == 1
    assert await published(EventType.PATIENT_UPDATED) == []


async def test_what_was_refused_is_not_told(client, auth_headers, published):
    patient = (await client.post(URL, json={"first_name": "Ana"}, headers=auth_headers)).json()["data"]

    await client.patch(f"{URL}/{patient['id']}", json={"version": 7, "notes": "x"}, headers=auth_headers)

    assert await published(EventType.PATIENT_UPDATED) == []


async def test_archiving_is_a_change_of_status(client, auth_headers, published):
    patient = (await client.post(URL, json={"first_name": "Ana"}, headers=auth_headers)).json()["data"]

    await client.post(f"{URL}/{patient['id']}/archive", headers=auth_headers)

    [event] = await published(EventType.PATIENT_UPDATED)
    assert (event["changed_fields"], event["status"]) == (["status"], "archived")

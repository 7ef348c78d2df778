"""What a runtime answers to its platform: when no clinic of the tenant has a patient."""

import json
from datetime import datetime, timedelta

import httpx2
import pytest
from pydantic import SecretStr

from app.testing.clinics import SECRET
from dentalpin_kit.tokens import SigningKey, sign

TENANT = "0c0ffee0-0000-4000-8000-000000000001"
PLATFORM = SigningKey.generate()
NOW = datetime.fromisoformat("2026-11-21T10:00:00+00:00")


@pytest.fixture
async def client(clinic_database, runtime_database, mounted, operations, tmp_path, clock):
    """A managed runtime as it serves, with both official modules."""
    from app.config import Settings
    from app.core.plugins.registry import module_registry
    from app.core.runtime.routers import serving_routers
    from app.main import create_app

    document = {"tenant": {"id": TENANT}, "platform": {"public_key": PLATFORM.public, "url": "https://platform.test"}}
    await operations.fetch(
        "INSERT INTO core_revision (generation, identity, effect, document) VALUES (1, 'i', 'e', $1)", json.dumps(document)
    )
    settings = Settings(secret_key=SecretStr(SECRET), storage=tmp_path)
    app = create_app(settings, module_registry, database=runtime_database, routers=serving_routers())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://clinic.test") as client:
        yield client


def token(purpose="idle-slots", key=PLATFORM):
    return {"Authorization": f"Bearer {sign(key, audience=TENANT, purpose=purpose, lifetime=timedelta(minutes=1))}"}


async def slots(client, **query):
    answer = await client.get("/api/v1/-/idle-slots", params={"hours": 24, **query}, headers=token())
    assert answer.status_code == 200, answer.text
    found = answer.json()["data"]
    return [tuple(_hours(slot[end]) for end in ("start", "end")) for slot in found["slots"]], found["failed"]


def _hours(moment):
    return (datetime.fromisoformat(moment) - NOW).total_seconds() / 3600


async def book(client, clinic, start, end, *statuses):
    """An appointment so many hours from now, walked through these statuses."""
    headers = clinic.headers
    patient = await client.post("/api/v1/patients", json={"first_name": "Ana", "last_name": "García"}, headers=headers)
    [cabinet] = (await client.get("/api/v1/agenda/cabinets", headers=headers)).json()["data"]
    body = {
        "patient_id": patient.json()["data"]["id"],
        "professional_id": str(clinic.people["dentist"]),
        "cabinet_id": cabinet["id"],
        "starts_at": (NOW + timedelta(hours=start)).isoformat(),
        "ends_at": (NOW + timedelta(hours=end)).isoformat(),
    }
    made = await client.post("/api/v1/agenda/appointments", json=body, headers=headers)
    assert made.status_code == 201, made.text
    for status in statuses:
        url = f"/api/v1/agenda/appointments/{made.json()['data']['id']}/transitions"
        moved = await client.post(url, json={"to_status": status}, headers=headers)
        assert moved.status_code == 200, moved.text


async def test_a_clinic_without_appointments_is_free(client):
    assert await slots(client) == ([(0, 24)], [])


async def test_appointments_of_all_clinics_count(client, two_clinics):
    await book(client, two_clinics.a, 1, 2)
    await book(client, two_clinics.b, 1.5, 3)
    assert await slots(client) == ([(0, 1), (3, 24)], [])
    assert (await slots(client, minutes=90))[0] == [(3, 24)]


async def test_a_patient_in_treatment_is_not_disturbed_beyond_the_planned_end(client, two_clinics):
    await book(client, two_clinics.a, -2, -1, "checked_in", "in_treatment")
    assert await slots(client) == ([(0.25, 24)], [])


async def test_a_patient_taken_in_early_is_in_the_chair(client, two_clinics):
    await book(client, two_clinics.a, 1, 2, "checked_in", "in_treatment")
    assert await slots(client) == ([(2, 24)], [])


@pytest.mark.parametrize("statuses", [("cancelled",), ("no_show",), ("checked_in", "in_treatment", "completed")])
async def test_what_is_over_does_not_count(client, two_clinics, statuses):
    await book(client, two_clinics.a, 1, 2, *statuses)
    assert await slots(client) == ([(0, 24)], [])


async def test_a_treatment_nobody_completed_does_not_count_for_ever(client, two_clinics):
    await book(client, two_clinics.a, -6, -5, "checked_in", "in_treatment")
    assert await slots(client) == ([(0, 24)], [])


async def test_a_module_that_cannot_answer_is_named_and_the_others_are_heard(client, two_clinics, mounted, monkeypatch):
    from sqlalchemy import text

    async def fails(db, clinic_id, within):
        await db.execute(text("SELECT 1 / 0"))

    await book(client, two_clinics.a, 1, 2)
    from app.core.plugins.registry import module_registry

    monkeypatch.setattr(module_registry.get("patients").module, "get_busy_periods", fails)
    assert await slots(client) == ([(0, 1), (2, 24)], ["patients"])


@pytest.mark.parametrize("headers", [{}, token("attest"), token(key=SigningKey.generate())])
async def test_only_the_platform_is_answered(client, headers):
    answer = await client.get("/api/v1/-/idle-slots", headers=headers)
    assert answer.status_code == 401

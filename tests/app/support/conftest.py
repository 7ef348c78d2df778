"""A managed runtime with two clinics and both official modules, a platform that signs, and a patient with telling words in every field."""

import json
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import httpx2
import pytest
from pydantic import SecretStr

from app.testing.clinics import SECRET
from dentalpin_kit.tokens import SigningKey, sign

TENANT = "0c0ffee0-0000-4000-8000-000000000001"
PLATFORM = SigningKey.generate()
OPERATOR = "eva@platform.example"
PATIENT = {
    "first_name": "Ximena",
    "last_name": "Quiroga Zubizarreta",
    "birth_date": "1971-03-09",
    "national_id": "12345678Z",
    "email": "ximena@correo.example",
    "phone": "+34 600 111 222",
    "address": {"street": "Calle Uria 7", "postal_code": "33003", "city": "Oviedo"},
    "notes": "Allergic to penicillin",
}
TELLING = ("Ximena", "Quiroga", "1971", "12345678", "ximena", "600", "Uria", "33003", "Oviedo", "penicillin", "crown")
"""What no answer to support may contain."""


@dataclass
class Runtime:
    app: object
    client: httpx2.AsyncClient
    clock: object

    async def platform(self, method, path, json=None, *, purpose="support", key=PLATFORM):
        token = sign(key, audience=TENANT, purpose=purpose, lifetime=timedelta(minutes=1))
        return await self.client.request(method, path, json=json, headers={"Authorization": f"Bearer {token}"})

    async def asked(self, minutes=30, access_id=None):
        """A request of support, before the clinic; its id."""
        access_id = access_id or str(uuid4())
        body = {
            "operator": OPERATOR,
            "operator_name": "Eva Ruiz",
            "reason": "The calendar does not load",
            "minutes": minutes,
            "expires_at": (self.clock.now() + timedelta(hours=24)).isoformat(),
        }
        answer = await self.platform("PUT", f"/api/v1/-/support/{access_id}", body)
        assert answer.status_code == 200, answer.text
        return access_id

    async def accepted(self, owner, minutes=30):
        access_id = await self.asked(minutes)
        answer = await self.client.post(f"/api/v1/support/{access_id}/accept", json={}, headers=owner)
        assert answer.status_code == 200, answer.text
        return access_id

    async def come_in(self, access_id, *, operator=OPERATOR):
        given = sign(
            PLATFORM, audience=TENANT, purpose="support-pass", lifetime=timedelta(minutes=1), subject=operator, claims={"access": access_id}
        )
        return await self.client.post("/api/v1/support/session", json={"support_pass": given})

    async def inside(self, owner, clinic=None, minutes=30):
        """Headers of a support session, and the access's id."""
        access_id = await self.accepted(owner, minutes)
        answer = await self.come_in(access_id)
        assert answer.status_code == 201, answer.text
        headers = {"Authorization": f"Bearer {answer.json()['data']['token']}"}
        return {**headers, "X-Clinic-Id": str(clinic.id)} if clinic else headers, access_id

    async def state(self, access_id):
        return (await self.platform("GET", f"/api/v1/-/support/{access_id}")).json()["data"]


@pytest.fixture
async def runtime(clinic_database, runtime_database, mounted, operations, tmp_path, clock):
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
        yield Runtime(app, client, clock)


@pytest.fixture
async def owner(two_clinics, operations):
    """Headers of the tenant's owner, who administers clinic a."""
    await operations.fetch("UPDATE users SET is_owner = true WHERE id = $1", two_clinics.a.people["admin"])
    return two_clinics.a.headers


@pytest.fixture
async def patient(runtime, two_clinics):
    """A patient of clinic a with an appointment; the ids of both."""
    headers = two_clinics.a.headers
    made = (await runtime.client.post("/api/v1/patients", json=PATIENT, headers=headers)).json()["data"]
    [cabinet] = (await runtime.client.get("/api/v1/agenda/cabinets", headers=headers)).json()["data"]
    now = runtime.clock.now()
    body = {
        "patient_id": made["id"],
        "professional_id": str(two_clinics.a.people["dentist"]),
        "cabinet_id": cabinet["id"],
        "starts_at": (now + timedelta(hours=1)).isoformat(),
        "ends_at": (now + timedelta(hours=2)).isoformat(),
        "reason": "crown 24",
        "notes": "Ximena is afraid",
    }
    booked = await runtime.client.post("/api/v1/agenda/appointments", json=body, headers=headers)
    assert booked.status_code == 201, booked.text
    return made["id"], booked.json()["data"]["id"]

"""A clinic with a patient, a cabinet and a dentist: what every appointment needs."""

from dataclasses import dataclass
from typing import Any

import pytest

URL = "/api/v1/agenda/appointments"
DAY = "2026-11-23"


def at(clock: str, day: str = DAY) -> str:
    """Winter time in Madrid."""
    return f"{day}T{clock}:00+01:00"


@dataclass(frozen=True)
class Agenda:
    """One clinic's agenda over HTTP, as its administrator sees it."""

    client: Any
    headers: dict[str, str]
    patient_id: str
    professional_id: str
    cabinet_id: str

    def booking(self, start: str = "10:00", end: str = "10:30", **fields: Any) -> dict[str, Any]:
        return {
            "patient_id": self.patient_id,
            "professional_id": self.professional_id,
            "starts_at": at(start),
            "ends_at": at(end),
            **fields,
        }

    async def post(self, body: dict[str, Any]) -> Any:
        return await self.client.post(URL, json=body, headers=self.headers)

    async def book(self, start: str = "10:00", end: str = "10:30", **fields: Any) -> dict[str, Any]:
        response = await self.post(self.booking(start, end, **fields))
        assert response.status_code == 201, response.text
        return response.json()["data"]

    async def step(self, appointment: dict[str, Any], to_status: str) -> Any:
        return await self.client.post(f"{URL}/{appointment['id']}/transitions", json={"to_status": to_status}, headers=self.headers)

    async def walk(self, appointment: dict[str, Any], *statuses: str) -> dict[str, Any]:
        for status in statuses:
            response = await self.step(appointment, status)
            assert response.status_code == 200, response.text
            appointment = response.json()["data"]
        return appointment

    async def assign(self, appointment: dict[str, Any], cabinet_id: str | None) -> Any:
        return await self.client.patch(f"{URL}/{appointment['id']}/cabinet", json={"cabinet_id": cabinet_id}, headers=self.headers)

    async def change(self, appointment: dict[str, Any], **fields: Any) -> Any:
        body = {"version": appointment["version"], **fields}
        return await self.client.patch(f"{URL}/{appointment['id']}", json=body, headers=self.headers)

    async def get(self, path: str, **query: Any) -> Any:
        return await self.client.get(f"/api/v1/agenda{path}", params=query, headers=self.headers)

    async def add_cabinet(self, name: str) -> str:
        response = await self.client.post("/api/v1/agenda/cabinets", json={"name": name, "position": 2}, headers=self.headers)
        assert response.status_code == 201, response.text
        return response.json()["data"]["id"]


async def _agenda(client, clinic) -> Agenda:
    patient = await client.post("/api/v1/patients", json={"first_name": "Ana", "last_name": "García"}, headers=clinic.headers)
    cabinets = await client.get("/api/v1/agenda/cabinets", headers=clinic.headers)
    [cabinet] = cabinets.json()["data"]
    return Agenda(client, clinic.headers, patient.json()["data"]["id"], str(clinic.people["dentist"]), cabinet["id"])


@pytest.fixture
async def agenda(client, two_clinics) -> Agenda:
    return await _agenda(client, two_clinics.a)


@pytest.fixture
async def other_agenda(client, two_clinics) -> Agenda:
    return await _agenda(client, two_clinics.b)

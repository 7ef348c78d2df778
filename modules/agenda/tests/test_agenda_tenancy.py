"""Clinic A's agenda does not exist for clinic B, and B's ids in a body are refused."""

from datetime import datetime
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from app.database import set_clinic
from app.modules.agenda.models import Appointment, Cabinet


def refusal(response):
    return response.status_code, response.json()["errors"][0]["code"]


async def test_another_clinics_appointments_are_not_listed(agenda, other_agenda):
    await agenda.book()

    assert (await other_agenda.get("/appointments")).json()["total"] == 0
    assert (await other_agenda.get("/calendar", **{"from": "2026-11-23", "to": "2026-11-23"})).json()["data"]["appointments"] == []


async def test_another_clinics_appointment_is_not_there(agenda, other_agenda):
    appointment = await agenda.book(cabinet_id=agenda.cabinet_id)

    answers = [
        await other_agenda.get(f"/appointments/{appointment['id']}"),
        await other_agenda.get(f"/appointments/{appointment['id']}/transitions"),
        await other_agenda.get(f"/appointments/{appointment['id']}/cabinet-history"),
        await other_agenda.step(appointment, "cancelled"),
        await other_agenda.change(appointment, reason="x"),
        await other_agenda.assign(appointment, None),
    ]

    assert {refusal(answer) for answer in answers} == {(404, "appointment_not_found")}
    assert (await agenda.get(f"/appointments/{appointment['id']}")).json()["data"] == appointment


async def test_another_clinics_id_in_a_booking_is_refused(agenda, other_agenda):
    names = ("patient", "professional", "cabinet")
    bookings = [agenda.booking(**{f"{name}_id": getattr(other_agenda, f"{name}_id")}) for name in names]
    answers = [refusal(await agenda.post(booking)) for booking in bookings]

    assert answers == [(404, f"{name}_not_found") for name in names]


async def test_another_clinics_cabinet_is_neither_assigned_nor_changed(agenda, other_agenda):
    appointment = await agenda.book()

    assert refusal(await agenda.assign(appointment, other_agenda.cabinet_id)) == (404, "cabinet_not_found")
    renamed = await agenda.client.patch(f"/api/v1/agenda/cabinets/{other_agenda.cabinet_id}", json={"name": "x"}, headers=agenda.headers)
    assert refusal(renamed) == (404, "cabinet_not_found")


async def test_the_same_person_at_the_same_time_in_two_clinics_is_each_clinics_own_business(agenda, other_agenda):
    await agenda.book(cabinet_id=agenda.cabinet_id)

    await other_agenda.book(cabinet_id=other_agenda.cabinet_id)


async def test_the_database_itself_refuses_another_clinics_patient(agenda, other_agenda, two_clinics, db_session):
    row = {**agenda.booking(), "patient_id": other_agenda.patient_id, "clinic_id": two_clinics.a.id}
    db_session.add(
        Appointment(
            clinic_id=row["clinic_id"],
            patient_id=UUID(row["patient_id"]),
            professional_id=UUID(row["professional_id"]),
            starts_at=datetime.fromisoformat(row["starts_at"]),
            ends_at=datetime.fromisoformat(row["ends_at"]),
        )
    )

    with pytest.raises(IntegrityError, match="fk_appointments_patient"):
        await db_session.flush()


async def test_a_query_that_forgets_the_clinic_still_sees_only_its_own(agenda, other_agenda, two_clinics, db_session):
    await agenda.book()
    await set_clinic(db_session, two_clinics.b.id)

    assert (await db_session.execute(select(func.count()).select_from(Appointment))).scalar_one() == 0
    assert (await db_session.execute(select(func.count()).select_from(Cabinet))).scalar_one() == 1


async def test_each_clinic_has_its_own_default_cabinet(agenda, other_agenda):
    assert agenda.cabinet_id != other_agenda.cabinet_id


async def test_only_the_administrator_adds_a_cabinet(client, two_clinics):
    clinic = two_clinics.a
    url, body = "/api/v1/agenda/cabinets", {"name": "2"}
    answers = {role: (await client.post(url, json=body, headers=clinic.headers_of(role))).status_code for role in clinic.people}

    assert answers == {"admin": 201, "dentist": 403, "hygienist": 403, "assistant": 403, "receptionist": 403}

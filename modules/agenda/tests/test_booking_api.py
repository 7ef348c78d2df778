"""Booking: who, what and when; and that nobody and no chair is booked twice."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from app.modules.agenda.models import Appointment


def refusal(response):
    return response.status_code, response.json()["errors"][0]["code"]


async def test_an_appointment_is_booked_without_a_cabinet(agenda):
    appointment = await agenda.book()

    assert (appointment["status"], appointment["cabinet_id"], appointment["patient_name"]) == ("scheduled", None, "Ana García")
    assert appointment["starts_at"] == "2026-11-23T09:00:00Z"
    assert appointment["possible_statuses"] == ["confirmed", "checked_in", "cancelled", "no_show"]


async def test_a_professional_is_not_booked_twice(agenda):
    first = await agenda.book("10:00", "11:00")

    response = await agenda.post(agenda.booking("10:30", "11:30"))

    assert refusal(response) == (409, "appointment_clash")
    error = response.json()["errors"][0]
    assert (error["resource"], error["appointment_id"]) == ("professional", first["id"])
    assert first["id"] in response.json()["message"]


async def test_a_cabinet_is_not_booked_twice(agenda, two_clinics):
    first = await agenda.book(cabinet_id=agenda.cabinet_id)

    hygienist = str(two_clinics.a.people["hygienist"])
    response = await agenda.post(agenda.booking(cabinet_id=agenda.cabinet_id, professional_id=hygienist))

    assert refusal(response) == (409, "appointment_clash")
    assert (response.json()["errors"][0]["resource"], response.json()["errors"][0]["appointment_id"]) == ("cabinet", first["id"])


async def test_two_people_work_side_by_side(agenda, two_clinics):
    await agenda.book(cabinet_id=agenda.cabinet_id)

    second = await agenda.book(cabinet_id=await agenda.add_cabinet("2"), professional_id=str(two_clinics.a.people["hygienist"]))

    assert second["status"] == "scheduled"


async def test_one_appointment_may_begin_when_the_other_ends(agenda):
    await agenda.book("10:00", "10:30", cabinet_id=agenda.cabinet_id)

    await agenda.book("10:30", "11:00", cabinet_id=agenda.cabinet_id)


@pytest.mark.parametrize("status", ["cancelled", "no_show"])
async def test_an_appointment_that_does_not_happen_frees_its_time(agenda, status):
    await agenda.walk(await agenda.book(cabinet_id=agenda.cabinet_id), status)

    await agenda.book(cabinet_id=agenda.cabinet_id)


@pytest.mark.parametrize("concurrent", [2, 5])
async def test_of_bookings_at_once_for_one_time_exactly_one_is_made(agenda, db_session, concurrent):
    body = agenda.booking(cabinet_id=agenda.cabinet_id)

    answers = await asyncio.gather(*(agenda.post(body) for _ in range(concurrent)))

    made = [answer for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code != 201]
    assert len(made) == 1
    assert {refusal(answer) for answer in refused} == {(409, "appointment_clash")}
    assert {answer.json()["errors"][0]["appointment_id"] for answer in refused} == {made[0].json()["data"]["id"]}
    assert (await db_session.execute(select(func.count()).select_from(Appointment))).scalar_one() == 1


async def test_two_bookings_that_cross_in_chair_and_person_do_not_hang(agenda, two_clinics):
    first = agenda.booking(cabinet_id=agenda.cabinet_id)
    second = agenda.booking(cabinet_id=agenda.cabinet_id, professional_id=str(two_clinics.a.people["hygienist"]))

    answers = await asyncio.gather(*(agenda.post(body) for body in (first, second, first, second)))

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


async def test_moving_into_a_taken_time_is_refused_and_changes_nothing(agenda):
    taken = await agenda.book("10:00", "10:30")
    moving = await agenda.book("12:00", "12:30")

    response = await agenda.change(moving, starts_at="2026-11-23T10:15:00+01:00", ends_at="2026-11-23T10:45:00+01:00")

    assert refusal(response) == (409, "appointment_clash")
    assert response.json()["errors"][0]["appointment_id"] == taken["id"]
    assert (await agenda.get(f"/appointments/{moving['id']}")).json()["data"] == moving


async def test_an_appointment_may_be_moved_over_its_own_time(agenda):
    moved = await agenda.change(await agenda.book(), ends_at="2026-11-23T10:45:00+01:00")

    assert (moved.status_code, moved.json()["data"]["ends_at"], moved.json()["data"]["version"]) == (200, "2026-11-23T09:45:00Z", 2)


async def test_an_appointment_somebody_else_changed_is_not_overwritten(agenda):
    appointment = await agenda.book()
    await agenda.change(appointment, reason="Check-up")

    assert refusal(await agenda.change(appointment, reason="Filling")) == (409, "appointment_changed")


async def test_an_archived_patient_is_not_booked(agenda):
    await agenda.client.post(f"/api/v1/patients/{agenda.patient_id}/archive", headers=agenda.headers)

    assert refusal(await agenda.post(agenda.booking())) == (409, "patient_archived")


async def test_what_does_not_exist_is_not_booked(agenda):
    names = ("patient", "professional", "cabinet")
    answers = [refusal(await agenda.post(agenda.booking(**{f"{name}_id": str(uuid4())}))) for name in names]

    assert answers == [(404, f"{name}_not_found") for name in names]


BAD_FIELDS = (
    {"starts_at": "2026-11-23T10:00:00", "ends_at": "2026-11-23T10:30:00"},
    {"starts_at": "2026-11-23T10:30:00Z", "ends_at": "2026-11-23T10:00:00Z"},
    {"starts_at": "2026-11-23T10:00:00Z", "ends_at": "2026-11-23T10:00:00Z"},
    {"starts_at": "2026-11-23T10:00:00Z", "ends_at": "2026-11-25T10:00:00Z"},
    {"starts_at": "0001-01-01T00:00:00+14:00", "ends_at": "0001-01-01T01:00:00+14:00"},
    {"notes": "\x00"},
    {"reason": "x" * 201},
    {"status": "completed"},
)


async def test_bad_input_is_refused(agenda):
    answers = [(await agenda.post({**agenda.booking(), **fields})).status_code for fields in BAD_FIELDS]

    assert dict(enumerate(answers)) == dict.fromkeys(range(len(BAD_FIELDS)), 422)


async def test_appointments_are_listed_by_start_and_filtered(agenda):
    late, early = await agenda.book("16:00", "16:30"), await agenda.book("09:00", "09:30", cabinet_id=agenda.cabinet_id)

    everything = (await agenda.get("/appointments")).json()
    in_range = (await agenda.get("/appointments", **{"from": "2026-11-23T08:15:00Z", "to": "2026-11-23T12:00:00Z"})).json()
    in_cabinet = (await agenda.get("/appointments", cabinet_id=agenda.cabinet_id)).json()

    assert [appointment["id"] for appointment in everything["data"]] == [early["id"], late["id"]]
    assert everything["total"] == 2
    assert [appointment["id"] for appointment in in_range["data"]] == [early["id"]]
    assert [appointment["id"] for appointment in in_cabinet["data"]] == [early["id"]]


async def test_a_cabinet_may_be_renamed_and_archived_but_not_share_a_name(agenda):
    second = await agenda.add_cabinet("Blue")
    url = f"/api/v1/agenda/cabinets/{second}"

    assert refusal(await agenda.client.patch(url, json={"name": "1"}, headers=agenda.headers)) == (409, "cabinet_name_taken")
    assert refusal(await agenda.client.post("/api/v1/agenda/cabinets", json={"name": "Blue"}, headers=agenda.headers)) == (
        409,
        "cabinet_name_taken",
    )
    archived = await agenda.client.patch(url, json={"name": "Green", "archived": True}, headers=agenda.headers)

    assert (archived.json()["data"]["name"], archived.json()["data"]["status"]) == ("Green", "archived")
    assert refusal(await agenda.post(agenda.booking(cabinet_id=second))) == (409, "cabinet_archived")
    assert [cabinet["name"] for cabinet in (await agenda.get("/cabinets")).json()["data"]] == ["1"]

"""The life of an appointment over HTTP: steps, histories, and what others are told."""

import asyncio

from app.core.events import EventType


def refusal(response):
    return response.status_code, response.json()["errors"][0]["code"]


async def history(agenda, appointment, which="transitions"):
    return (await agenda.get(f"/appointments/{appointment['id']}/{which}")).json()["data"]


async def test_an_appointment_lives_from_booking_to_completion(agenda, two_clinics):
    appointment = await agenda.book(cabinet_id=agenda.cabinet_id)

    completed = await agenda.walk(appointment, "confirmed", "checked_in", "in_treatment", "completed")

    assert (completed["status"], completed["possible_statuses"]) == ("completed", [])
    steps = await history(agenda, appointment)
    assert [(step["from_status"], step["to_status"]) for step in steps] == [
        (None, "scheduled"),
        ("scheduled", "confirmed"),
        ("confirmed", "checked_in"),
        ("checked_in", "in_treatment"),
        ("in_treatment", "completed"),
    ]
    assert {step["changed_by"] for step in steps} == {str(two_clinics.a.people["admin"])}


async def test_an_illegal_step_is_refused_and_says_what_is_possible(agenda):
    response = await agenda.step(await agenda.book(), "completed")

    assert refusal(response) == (409, "illegal_transition")
    assert "confirmed, checked_in, cancelled, no_show" in response.json()["message"]


async def test_treatment_needs_a_cabinet(agenda):
    appointment = await agenda.walk(await agenda.book(), "checked_in")

    assert refusal(await agenda.step(appointment, "in_treatment")) == (400, "cabinet_required")

    await agenda.assign(appointment, agenda.cabinet_id)
    assert (await agenda.step(appointment, "in_treatment")).status_code == 200


async def test_the_cabinet_is_not_taken_away_during_treatment(agenda):
    appointment = await agenda.walk(await agenda.book(cabinet_id=agenda.cabinet_id), "checked_in", "in_treatment")

    assert refusal(await agenda.assign(appointment, None)) == (400, "cabinet_required")


async def test_the_history_of_cabinets_is_kept(agenda):
    second = await agenda.add_cabinet("2")
    appointment = await agenda.book(cabinet_id=agenda.cabinet_id)

    for cabinet in (second, second, None, agenda.cabinet_id):
        assert (await agenda.assign(appointment, cabinet)).status_code == 200

    changes = [(change["from_cabinet_id"], change["to_cabinet_id"]) for change in await history(agenda, appointment, "cabinet-history")]
    assert changes == [(None, agenda.cabinet_id), (agenda.cabinet_id, second), (second, None), (None, agenda.cabinet_id)]


async def test_a_cabinet_that_is_taken_is_not_assigned(agenda, two_clinics):
    taken = await agenda.book(cabinet_id=agenda.cabinet_id)
    waiting = await agenda.book(professional_id=str(two_clinics.a.people["hygienist"]))

    response = await agenda.assign(waiting, agenda.cabinet_id)

    assert refusal(response) == (409, "appointment_clash")
    assert response.json()["errors"][0]["appointment_id"] == taken["id"]


async def test_what_is_over_is_not_changed(agenda):
    appointment = await agenda.walk(await agenda.book(), "cancelled")

    assert refusal(await agenda.change(appointment, reason="x")) == (409, "appointment_closed")
    assert refusal(await agenda.assign(appointment, agenda.cabinet_id)) == (409, "appointment_closed")


async def test_of_two_steps_at_once_one_is_made(agenda):
    appointment = await agenda.book()

    answers = await asyncio.gather(agenda.step(appointment, "confirmed"), agenda.step(appointment, "confirmed"))

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert len(await history(agenda, appointment)) == 2


async def test_every_step_is_told_twice_in_general_and_by_its_name(agenda, published, two_clinics):
    appointment = await agenda.walk(await agenda.book(cabinet_id=agenda.cabinet_id), "checked_in", "in_treatment", "completed")

    general = await published(EventType.APPOINTMENT_STATUS_CHANGED)
    assert [(event["from_status"], event["to_status"]) for event in general] == [
        ("scheduled", "checked_in"),
        ("checked_in", "in_treatment"),
        ("in_treatment", "completed"),
    ]
    [completed] = await published(EventType.APPOINTMENT_COMPLETED)
    assert completed == general[-1]
    assert completed["appointment_id"] == appointment["id"]
    assert completed["changed_by"] == str(two_clinics.a.people["admin"])
    assert completed["changed_at"] == (await history(agenda, appointment))[-1]["changed_at"].replace("Z", "+00:00")


async def test_each_status_has_its_event(agenda, published, two_clinics):
    ways = (
        ((), EventType.APPOINTMENT_SCHEDULED),
        (("confirmed",), EventType.APPOINTMENT_CONFIRMED),
        (("checked_in",), EventType.APPOINTMENT_CHECKED_IN),
        (("checked_in", "in_treatment"), EventType.APPOINTMENT_IN_TREATMENT),
        (("cancelled",), EventType.APPOINTMENT_CANCELLED),
        (("no_show",), EventType.APPOINTMENT_NO_SHOW),
    )
    for hour, (statuses, event) in enumerate(ways, start=9):
        booked = await agenda.book(f"{hour:02}:00", f"{hour:02}:30", cabinet_id=agenda.cabinet_id)
        await agenda.walk(booked, *statuses)
        told = (await published(event))[-1]
        assert (told["appointment_id"], told["clinic_id"], told["patient_id"]) == (booked["id"], str(two_clinics.a.id), agenda.patient_id)


async def test_a_change_of_cabinet_is_told(agenda, published):
    appointment = await agenda.book()

    await agenda.assign(appointment, agenda.cabinet_id)

    [told] = await published(EventType.APPOINTMENT_CABINET_CHANGED)
    assert (told["from_cabinet_id"], told["to_cabinet_id"]) == (None, agenda.cabinet_id)


async def test_moving_an_appointment_is_told_with_the_former_time(agenda, published):
    moved = await agenda.change(await agenda.book(), ends_at="2026-11-23T10:45:00+01:00")
    await agenda.change(moved.json()["data"], reason="Check-up")

    [told] = await published("agenda.rescheduled")
    assert (told["from_ends_at"], told["ends_at"]) == ("2026-11-23T09:30:00+00:00", "2026-11-23T09:45:00+00:00")


async def test_a_refused_booking_is_not_told(agenda, published):
    await agenda.book()
    await agenda.post(agenda.booking())

    assert len(await published(EventType.APPOINTMENT_SCHEDULED)) == 1

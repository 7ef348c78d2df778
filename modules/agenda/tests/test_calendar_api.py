"""The calendar shows whole days of the clinic, whatever its clocks do."""

from datetime import datetime, timedelta


async def ids(agenda, first, last):
    response = await agenda.get("/calendar", **{"from": first, "to": last})
    assert response.status_code == 200, response.text
    return [appointment["id"] for appointment in response.json()["data"]["appointments"]]


async def test_a_day_is_the_clinics_day(agenda):
    late = await agenda.book(starts_at="2026-11-23T23:30:00+01:00", ends_at="2026-11-23T23:45:00+01:00")
    next_morning = await agenda.book(starts_at="2026-11-23T23:30:00Z", ends_at="2026-11-23T23:45:00Z")

    assert await ids(agenda, "2026-11-23", "2026-11-23") == [late["id"]]
    assert await ids(agenda, "2026-11-24", "2026-11-24") == [next_morning["id"]]
    assert await ids(agenda, "2026-11-23", "2026-11-24") == [late["id"], next_morning["id"]]


async def test_an_appointment_over_midnight_is_on_both_days(agenda):
    night = await agenda.book(starts_at="2026-11-23T23:30:00+01:00", ends_at="2026-11-24T00:30:00+01:00")

    assert await ids(agenda, "2026-11-23", "2026-11-23") == [night["id"]]
    assert await ids(agenda, "2026-11-24", "2026-11-24") == [night["id"]]


async def test_the_days_on_which_the_clocks_change_are_shorter_or_longer(agenda):
    hours = {}
    for day in ("2026-03-29", "2026-10-25", "2026-11-23"):
        data = (await agenda.get("/calendar", **{"from": day, "to": day})).json()["data"]
        assert data["timezone"] == "Europe/Madrid"
        hours[day] = datetime.fromisoformat(data["ends_at"]) - datetime.fromisoformat(data["starts_at"])

    assert hours == {"2026-03-29": timedelta(hours=23), "2026-10-25": timedelta(hours=25), "2026-11-23": timedelta(hours=24)}


async def test_a_range_that_cannot_be_shown_is_refused(agenda):
    ranges = (("2026-11-24", "2026-11-23"), ("2026-01-01", "2026-12-31"), ("0001-01-01", "0001-01-01"), ("x", "y"))
    answers = [(await agenda.get("/calendar", **{"from": first, "to": last})).status_code for first, last in ranges]

    assert answers == [422] * 4

"""The clinic's records as its people read, print and take them along: in every mode, theirs alone, and not for whom they are not."""

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from app.core.modes import Mode
from app.core.records.tables import as_text, for_spreadsheets, in_words
from tests.app.support.conftest import PATIENT

FOUND = 'href="/records/patients'


async def get(runtime, path, headers):
    return await runtime.client.get(path, headers={**headers, "Accept": "text/html"})


@pytest.mark.parametrize("mode", Mode)
async def test_records_are_found_read_printed_and_taken_along_in_every_mode(runtime, patient, two_clinics, mode):
    runtime.app.state.mode = mode
    home = await get(runtime, "/", two_clinics.a.headers)
    listed = await get(runtime, "/records", two_clinics.a.headers)
    patients = await get(runtime, "/records/patients", two_clinics.a.headers)
    appointments = await get(runtime, "/records/appointments", two_clinics.a.headers)
    taken = await runtime.client.get("/records/patients/csv", headers=two_clinics.a.headers)
    [row] = csv.DictReader(io.StringIO(taken.text))

    assert [answer.status_code for answer in (home, listed, patients, appointments, taken)] == [200] * 5
    assert ('href="/records?clinic_id=' in home.text, FOUND in listed.text) == (True, True)
    assert PATIENT["last_name"] in patients.text
    assert patient[0] not in appointments.text, "a patient is named there, not numbered"
    assert f"{PATIENT['last_name']} {PATIENT['first_name']}" in appointments.text
    assert (row["id"], row["last_name"], row["birth_date"]) == (patient[0], PATIENT["last_name"], PATIENT["birth_date"])
    assert 'filename="patients-1-of-1.csv"' in taken.headers["content-disposition"]


async def test_another_clinics_records_are_not_there_and_nobody_reads_what_their_role_does_not(runtime, patient, two_clinics, operations):
    seen = [(await get(runtime, "/records/patients", each.headers)).text for each in (two_clinics.a, two_clinics.b)]
    assert [PATIENT["last_name"] in text for text in seen] == [True, False]
    stranger = await get(runtime, f"/records/patients?clinic_id={two_clinics.a.id}", two_clinics.b.headers)
    no_core = await get(runtime, "/records/users", two_clinics.a.headers)
    await operations.fetch("INSERT INTO roles (id, clinic_id, name) VALUES (gen_random_uuid(), $1, 'cleaner')", two_clinics.a.id)
    await operations.fetch("UPDATE memberships SET role = 'cleaner' WHERE user_id = $1", two_clinics.a.people["admin"])
    denied = [await get(runtime, path, two_clinics.a.headers) for path in ("/records", "/records/patients", "/records/patients/csv")]
    home = await get(runtime, "/", two_clinics.a.headers)

    assert (stranger.status_code, no_core.status_code) == (403, 404)
    assert [answer.status_code for answer in denied] == [403] * 3
    assert 'href="/records' not in home.text
    assert (await runtime.client.get("/records")).headers["location"] == "/sign-in"


async def test_what_was_taken_along_stands_in_the_trail_and_the_owner_is_shown_the_way_to_everything(runtime, owner, patient, two_clinics):
    await runtime.client.get("/records/patients/csv", headers=owner)
    trail = (await runtime.client.get("/api/v1/users/-/trail", headers=owner)).json()["data"]
    listed = await get(runtime, "/records", owner)
    assert [each["details"] for each in trail if each["event"] == "records_taken"] == [{"records": "patients", "part": 1, "rows": 1}]
    assert "https://platform.test/account" in listed.text


async def test_support_reaches_no_records(runtime, owner, patient, two_clinics):
    headers, _ = await runtime.inside(owner, two_clinics.a)
    for path in ("/records", "/records/patients", "/records/patients/csv"):
        refused = await runtime.client.get(path, headers=headers)
        assert (refused.status_code, PATIENT["last_name"] in refused.text) == (403, False)


def test_a_text_that_a_spreadsheet_would_take_for_a_formula_is_quoted_and_numbers_are_not():
    assert for_spreadsheets(["=1+1", "@x", "-3.50", "+34 600", "Ana"]) == ["'=1+1", "'@x", "-3.50", "'+34 600", "Ana"]


def test_values_are_said_in_the_clinics_own_time_and_kept_without_loss_in_files():
    moment = datetime(2026, 1, 2, 23, 30, tzinfo=UTC)
    assert in_words(moment, ZoneInfo("Europe/Madrid"), ("sí", "no")) == "2026-01-03 00:30"
    assert in_words(True, ZoneInfo("UTC"), ("sí", "no")) == "sí"
    assert in_words({"postal_code": "33003", "tags": ["a", None]}, ZoneInfo("UTC"), ("sí", "no")) == "Postal code: 33003; Tags: a; "
    assert [as_text(one) for one in (moment, date(2026, 1, 2), Decimal("1.10"), {"a": "ñ"}, None)] == [
        "2026-01-02T23:30:00+00:00",
        "2026-01-02",
        "1.10",
        '{"a": "ñ"}',
        "",
    ]

"""Clinic A's patients do not exist for clinic B: not in a list, a search, by id, or in the database itself."""

import pytest
from sqlalchemy import func, select, text

from app.database import set_clinic
from app.modules.patients.models import Patient
from app.modules.patients.schemas import PatientCreate, StatusFilter
from app.modules.patients.service import PatientService

URL = "/api/v1/patients"


@pytest.fixture
async def patient(client, two_clinics):
    body = {"first_name": "Ana", "last_name": "García", "national_id": "12345678Z"}
    return (await client.post(URL, json=body, headers=two_clinics.a.headers)).json()["data"]


async def test_a_list_shows_no_other_clinics_patient(client, two_clinics, patient):
    queries = ({}, {"search": "garcía"}, {"status": "all"})
    answers = [(await client.get(URL, params=query, headers=two_clinics.b.headers)).json() for query in queries]

    assert [(answer["data"], answer["total"]) for answer in answers] == [([], 0)] * 3


async def test_another_clinics_patient_is_not_there(client, two_clinics, patient):
    url, stranger = f"{URL}/{patient['id']}", two_clinics.b.headers
    answers = [
        await client.get(url, headers=stranger),
        await client.patch(url, json={"version": 1, "notes": "mine now"}, headers=stranger),
        await client.post(f"{url}/archive", headers=stranger),
        await client.post(f"{url}/restore", headers=stranger),
    ]

    assert {(answer.status_code, answer.json()["errors"][0]["code"]) for answer in answers} == {(404, "patient_not_found")}
    read = await client.get(f"{URL}/{patient['id']}", headers=two_clinics.a.headers)
    assert (read.json()["data"]["version"], read.json()["data"]["status"]) == (1, "active")


async def test_another_clinics_patient_is_no_duplicate(client, two_clinics, patient):
    body = {"first_name": "Ana", "last_name": "García", "national_id": "12345678Z"}
    response = await client.post(URL, json=body, headers=two_clinics.b.headers)

    assert response.json()["data"]["possible_duplicates"] == []


async def test_a_query_that_forgets_the_clinic_still_sees_only_its_own(db_session, two_clinics, client, patient):
    assert (await db_session.execute(select(func.count()).select_from(Patient))).scalar_one() == 1

    await set_clinic(db_session, two_clinics.b.id)

    assert (await db_session.execute(select(func.count()).select_from(Patient))).scalar_one() == 0


async def test_the_search_function_answers_for_the_transactions_clinic_only(db_session, two_clinics, patient):
    await set_clinic(db_session, two_clinics.b.id)

    for clinic in (two_clinics.a.id, two_clinics.b.id):
        found = await db_session.execute(text("SELECT * FROM patients_matching(:clinic, ARRAY['%garcia%'])"), {"clinic": clinic})
        assert found.all() == []


async def test_the_search_function_finds_nobody_without_a_clinic(db_session, two_clinics, patient):
    await set_clinic(db_session, None)

    found = await db_session.execute(text("SELECT * FROM patients_matching(:clinic, ARRAY['%garcia%'])"), {"clinic": two_clinics.a.id})

    assert found.all() == []


async def test_the_service_lists_as_the_guide_calls_it(db_session, two_clinics):
    await PatientService.create_patient(db_session, two_clinics.a.id, PatientCreate(first_name="Ana", last_name="García"))

    patients, total = await PatientService.list_patients(db_session, two_clinics.a.id, search="ana", page=1, page_size=20)

    assert ([patient.full_name for patient in patients], total) == (["Ana García"], 1)
    assert await PatientService.list_patients(db_session, two_clinics.a.id, status=StatusFilter.ARCHIVED) == ([], 0)


async def test_everybody_in_the_clinic_may_create_a_patient(client, two_clinics):
    roles = two_clinics.a.people
    answers = {role: await client.post(URL, json={"first_name": "Ana"}, headers=two_clinics.a.headers_of(role)) for role in roles}

    assert {role: answer.status_code for role, answer in answers.items()} == dict.fromkeys(roles, 201)


async def test_nobody_reads_patients_without_signing_in(client):
    assert (await client.get(URL)).status_code == 401

"""`/api/v1/patients` as a clinic's people use it."""

import asyncio
from uuid import uuid4

URL = "/api/v1/patients"
ANA = {
    "first_name": "Ana",
    "last_name": "García López",
    "birth_date": "1988-02-29",
    "national_id": "12345678-Z",
    "email": "Ana.Garcia@Example.org",
    "phone": "+34 600 123 456",
    "address": {"street": "Calle Mayor 1", "city": "Madrid", "country": "ES"},
    "notes": "Prefers mornings",
}


async def create(client, headers, **fields):
    response = await client.post(URL, json={"first_name": "Ana", **fields}, headers=headers)
    assert response.status_code == 201, response.text
    return response.json()["data"]


async def names(client, headers, **query):
    response = await client.get(URL, params=query, headers=headers)
    assert response.status_code == 200, response.text
    return [patient["full_name"] for patient in response.json()["data"]]


async def test_a_patient_is_created_and_read_back(client, auth_headers):
    created = await client.post(URL, json=ANA, headers=auth_headers)

    assert created.status_code == 201
    read = await client.get(f"{URL}/{created.json()['data']['id']}", headers=auth_headers)
    patient = read.json()["data"]
    assert patient["full_name"] == "Ana García López"
    assert patient["email"] == "ana.garcia@example.org"
    assert patient["address"] == {"street": "Calle Mayor 1", "postal_code": None, "city": "Madrid", "region": None, "country": "ES"}
    assert (patient["status"], patient["version"]) == ("active", 1)


async def test_patients_are_listed_by_last_name_whatever_the_accents(client, auth_headers):
    for first, last in (("Eva", "Zamora"), ("Óscar", "Álvarez"), ("Iván", "Núñez"), ("Bea", "alvarez")):
        await create(client, auth_headers, first_name=first, last_name=last)

    assert await names(client, auth_headers) == ["Bea alvarez", "Óscar Álvarez", "Iván Núñez", "Eva Zamora"]


async def test_a_page_says_how_many_there_are_in_all(client, auth_headers):
    for number in range(5):
        await create(client, auth_headers, last_name=f"P{number}")

    page = (await client.get(URL, params={"page": 2, "page_size": 2}, headers=auth_headers)).json()

    assert [patient["last_name"] for patient in page["data"]] == ["P2", "P3"]
    assert (page["total"], page["page"], page["page_size"]) == (5, 2, 2)


async def test_a_patient_is_found_by_name_address_phone_and_document(client, auth_headers):
    await create(client, auth_headers, **{key: value for key, value in ANA.items() if key != "first_name"})
    await create(client, auth_headers, first_name="Bruno", last_name="Ortiz", phone="+34 911 000 000")
    words = ("garcia", "GARCÍA ana", "lópez", "ana.garcia@example", "an gar")
    numbers = ("600 123 456", "0034600123456", "123456", "12345678z", "12345678-Z")

    found = {search: await names(client, auth_headers, search=search) for search in (*words, *numbers)}

    assert found == {key: ["Ana García López"] for key in (*words, *numbers)}


async def test_what_is_searched_for_is_taken_literally(client, auth_headers):
    await create(client, auth_headers, last_name="García", phone="+34 600 123 456")
    searches = ("%", "_", "\\", "nobody", "600 999", "'; --", "garcia nobody")

    found = {search: await names(client, auth_headers, search=search) for search in searches}

    assert found == {key: [] for key in searches}


async def test_only_the_given_fields_change(client, auth_headers):
    patient = await create(client, auth_headers, **{key: value for key, value in ANA.items() if key != "first_name"})

    response = await client.patch(f"{URL}/{patient['id']}", json={"version": 1, "phone": None, "last_name": "Gil"}, headers=auth_headers)

    changed = response.json()["data"]
    assert (changed["full_name"], changed["phone"], changed["version"]) == ("Ana Gil", None, 2)
    assert changed["email"] == "ana.garcia@example.org"
    assert await names(client, auth_headers, search="gil") == ["Ana Gil"]
    assert await names(client, auth_headers, search="600123456") == []


async def test_a_patient_somebody_else_changed_is_not_overwritten(client, auth_headers):
    patient = await create(client, auth_headers, last_name="García")
    await client.patch(f"{URL}/{patient['id']}", json={"version": 1, "notes": "first"}, headers=auth_headers)

    response = await client.patch(f"{URL}/{patient['id']}", json={"version": 1, "notes": "second"}, headers=auth_headers)

    assert response.status_code == 409
    assert response.json()["errors"][0]["code"] == "patient_changed"
    assert (await client.get(f"{URL}/{patient['id']}", headers=auth_headers)).json()["data"]["notes"] == "first"


async def test_of_two_changes_at_once_one_wins(client, auth_headers):
    patient = await create(client, auth_headers, last_name="García")
    changes = [{"version": 1, "notes": note} for note in ("one", "two")]

    answers = await asyncio.gather(*(client.patch(f"{URL}/{patient['id']}", json=change, headers=auth_headers) for change in changes))

    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_an_archived_patient_leaves_the_lists_and_comes_back(client, auth_headers):
    patient = await create(client, auth_headers, last_name="García")

    archived = await client.post(f"{URL}/{patient['id']}/archive", headers=auth_headers)
    again = await client.post(f"{URL}/{patient['id']}/archive", headers=auth_headers)

    assert archived.json()["data"]["status"] == "archived"
    assert again.json()["data"]["version"] == archived.json()["data"]["version"]
    assert await names(client, auth_headers) == []
    assert await names(client, auth_headers, status="archived") == ["Ana García"]
    await client.post(f"{URL}/{patient['id']}/restore", headers=auth_headers)
    assert await names(client, auth_headers) == ["Ana García"]


async def test_an_archived_patient_is_not_changed(client, auth_headers):
    patient = await create(client, auth_headers, last_name="García")
    archived = (await client.post(f"{URL}/{patient['id']}/archive", headers=auth_headers)).json()["data"]

    response = await client.patch(f"{URL}/{patient['id']}", json={"version": archived["version"], "notes": "x"}, headers=auth_headers)

    assert (response.status_code, response.json()["errors"][0]["code"]) == (409, "patient_archived")


async def test_nothing_deletes_a_patient(client, auth_headers):
    patient = await create(client, auth_headers, last_name="García")

    assert (await client.delete(f"{URL}/{patient['id']}", headers=auth_headers)).status_code == 405


DUPLICATES = (
    ({"first_name": "ANA", "last_name": "Garcia Lopez", "birth_date": "1988-02-29"}, ["same_name_and_birth_date"]),
    ({"first_name": "Ana", "last_name": "García López"}, ["same_name"]),
    ({"first_name": "Anna", "last_name": "Garsia", "national_id": "12345678z"}, ["same_document"]),
    ({"first_name": "Ana", "last_name": "Gil", "phone": "0034 600123456"}, ["same_contact"]),
    ({"first_name": "Luis", "last_name": "García", "phone": "+34 600 123 456"}, None),
    ({"first_name": "Ana", "last_name": "García López", "birth_date": "2001-01-01"}, None),
)


async def test_who_may_be_the_same_person_is_said_before_anything_is_written(client, auth_headers):
    first = (await client.post(URL, json=ANA, headers=auth_headers)).json()["data"]

    found = [(await client.post(f"{URL}/duplicates", json=second, headers=auth_headers)).json()["data"] for second, _ in DUPLICATES]

    assert [[(one["id"], one["reasons"]) for one in some] for some in found] == [
        [(first["id"], reasons)] if reasons else [] for _, reasons in DUPLICATES
    ]
    assert await names(client, auth_headers) == ["Ana García López"]


async def test_a_possible_duplicate_is_warned_of_and_not_refused(client, auth_headers):
    first = (await client.post(URL, json=ANA, headers=auth_headers)).json()["data"]

    second = await client.post(URL, json={**ANA, "birth_date": None}, headers=auth_headers)

    [warning] = second.json()["data"]["possible_duplicates"]
    assert second.status_code == 201
    assert (warning["id"], warning["reasons"]) == (first["id"], ["same_document", "same_name", "same_contact"])


BAD_BODIES = (
    {},
    {"first_name": " "},
    {"first_name": "A" * 101},
    {"first_name": "Ana", "email": "not an address"},
    {"first_name": "Ana", "phone": "call me"},
    {"first_name": "Ana", "birth_date": "2999-01-01"},
    {"first_name": "Ana", "birth_date": "1799-01-01"},
    {"first_name": "A\x00na"},
    {"first_name": "Ana", "notes": "\x00"},
    {"first_name": "Ana", "address": {"city": "\x00"}},
    {"first_name": "Ana", "address": {"planet": "Earth"}},
    {"first_name": "Ana", "clinic_id": str(uuid4())},
)
BAD_QUERIES = ({"page": 0}, {"page_size": 0}, {"page_size": 1000}, {"status": "gone"}, {"search": "a\x00"})


async def test_bad_input_is_refused(client, auth_headers):
    answers = [(await client.post(URL, json=body, headers=auth_headers)).status_code for body in BAD_BODIES]

    assert dict(enumerate(answers)) == dict.fromkeys(range(len(BAD_BODIES)), 422)


async def test_a_bad_query_is_refused(client, auth_headers):
    answers = [(await client.get(URL, params=query, headers=auth_headers)).status_code for query in BAD_QUERIES]

    assert dict(enumerate(answers)) == dict.fromkeys(range(len(BAD_QUERIES)), 422)


async def test_a_name_that_grows_when_folded_is_kept(client, auth_headers):
    patient = await create(client, auth_headers, first_name="ﷺ" * 100, last_name="ﷺ" * 150)

    assert await names(client, auth_headers) == [patient["full_name"]]

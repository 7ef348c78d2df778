"""Which clinic a request is about."""

from uuid import uuid4

import pytest

NOTES = "/api/v1/shelf/notes"


@pytest.fixture
async def clinics(clinic_app):
    """Ana works in Arco and Bosque, not in Cumbre; each has a note with its name."""
    arco, bosque, cumbre = [await clinic_app.add_clinic(name) for name in ("Arco", "Bosque", "Cumbre")]
    ana = await clinic_app.add_user(dentist=arco)
    await clinic_app.add_member(ana, bosque, "assistant")
    for clinic, name in ((arco, "Arco"), (bosque, "Bosque"), (cumbre, "Cumbre")):
        await clinic_app.sql("INSERT INTO shelf_notes (clinic_id, body) VALUES ($1, $2)", clinic, name)
    return arco, bosque, cumbre


@pytest.fixture
async def client(clinic_app, clinics):
    async with await clinic_app.signed_in() as client:
        yield client


def bodies(answer):
    return [note["body"] for note in answer.json()["data"]]


async def test_several_clinics_and_none_named_is_a_question(client, clinics):
    answer = await client.get(NOTES)
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error == {
        "code": "clinic_not_chosen",
        "clinics": [{"id": str(clinics[0]), "name": "Arco"}, {"id": str(clinics[1]), "name": "Bosque"}],
    }


async def test_the_header_chooses_else_the_query(client, clinics):
    arco, bosque, _ = map(str, clinics)
    assert bodies(await client.get(NOTES, headers={"X-Clinic-Id": bosque})) == ["Bosque"]
    assert bodies(await client.get(NOTES, params={"clinic_id": arco})) == ["Arco"]
    assert bodies(await client.get(NOTES, params={"clinic_id": arco}, headers={"X-Clinic-Id": bosque})) == ["Bosque"]


async def test_else_the_tokens_clinic(clinic_app, clinics):
    credentials = {"email": "ana@example.com", "password": "correct horse battery staple", "clinic_id": str(clinics[1])}
    async with clinic_app.client() as client:
        token = (await client.post("/api/v1/auth/login", json=credentials)).json()["data"]["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        assert bodies(await client.get(NOTES, headers=headers)) == ["Bosque"]
        assert bodies(await client.get(NOTES, headers={**headers, "X-Clinic-Id": str(clinics[0])})) == ["Arco"]


async def test_else_the_only_membership(clinic_app, clinics):
    await clinic_app.add_user("eva@example.com", dentist=clinics[2])
    async with await clinic_app.signed_in("eva@example.com") as client:
        assert bodies(await client.get(NOTES)) == ["Cumbre"]


async def test_the_role_is_that_of_the_clinic(client, clinics):
    for clinic, status in ((clinics[0], 201), (clinics[1], 403)):
        answer = await client.post(NOTES, json={"body": "new"}, headers={"X-Clinic-Id": str(clinic)})
        assert answer.status_code == status


async def test_another_clinic_and_one_that_does_not_exist_are_refused_alike(client, clinics):
    for clinic in (clinics[2], uuid4()):
        answer = await client.get(NOTES, headers={"X-Clinic-Id": str(clinic)})
        assert answer.status_code == 403
        assert answer.json()["errors"] == [{"code": "not_a_member"}]


async def test_an_id_that_is_none_is_said_to_be_none(client):
    answer = await client.get(NOTES, headers={"X-Clinic-Id": "'; DROP TABLE clinics"})
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"code": "clinic_id_invalid"}]


async def test_an_archived_clinic_is_no_longer_there(clinic_app, client, clinics):
    await clinic_app.sql("UPDATE clinics SET status = 'archived' WHERE id = $1", clinics[1])
    assert bodies(await client.get(NOTES)) == ["Arco"]


async def test_without_a_clinic_there_is_nothing_to_do(clinic_app, clinics):
    await clinic_app.add_user("new@example.com")
    async with await clinic_app.signed_in("new@example.com") as client:
        answer = await client.get(NOTES)
        assert answer.status_code == 403
        assert answer.json()["errors"] == [{"code": "no_membership"}]
        assert (await client.get("/api/v1/auth/me")).json()["data"]["memberships"] == []


async def test_me_names_clinics_roles_and_permissions(client, clinics):
    data = (await client.get("/api/v1/auth/me")).json()["data"]
    assert data["user"]["email"] == "ana@example.com"
    assert [(each["clinic"]["name"], each["role"]) for each in data["memberships"]] == [("Arco", "dentist"), ("Bosque", "assistant")]
    assert data["clinic_id"] is None
    chosen = (await client.get("/api/v1/auth/me", headers={"X-Clinic-Id": str(clinics[1])})).json()["data"]
    assert chosen["clinic_id"] == str(clinics[1])
    assert [name for name in chosen["permissions"] if name.startswith("shelf.")] == ["shelf.notes.read"]

"""The clinics of a tenant."""

import pytest

from tests.support.app import ShelfModule, build

CLINICS = "/api/v1/clinics"


async def seed_note(session, clinic_id):
    from sqlalchemy import text

    await session.execute(text("INSERT INTO shelf_notes (clinic_id, body) VALUES (:clinic, 'seeded')"), {"clinic": clinic_id})


@pytest.fixture
async def app(clinic_app):
    """Ana administers Sol; the module `shelf` seeds a note in each clinic."""
    app = build(clinic_app.schema, clinic_app.database, [ShelfModule()], seed_clinic=seed_note)
    sol = await app.add_clinic("Sol")
    await app.add_user(admin=sol)
    await app.add_clinic("Elsewhere")
    return app


@pytest.fixture
async def client(app):
    async with await app.signed_in() as client:
        yield client


async def test_the_list_holds_the_clinics_somebody_works_in(client):
    [clinic] = (await client.get(CLINICS)).json()["data"]
    assert (clinic["name"], clinic["role"], clinic["country"]) == ("Sol", "admin", "ES")


async def test_a_new_clinic_is_like_the_one_it_was_made_in(client):
    made = await client.post(CLINICS, json={"name": "  Luna  "})
    assert made.status_code == 201
    clinic = made.json()["data"]
    assert (clinic["name"], clinic["country"], clinic["timezone"], clinic["currency"]) == ("Luna", "ES", "Europe/Madrid", "EUR")
    assert [each["name"] for each in (await client.get(CLINICS)).json()["data"]] == ["Luna", "Sol"]


async def test_what_is_given_wins(client):
    given = {"name": "Lua", "country": "PT", "timezone": "Europe/Lisbon", "locale": "pt-PT", "tax_id": "509442013"}
    made = (await client.post(CLINICS, json=given)).json()["data"]
    assert made == {**made, **given}


async def test_a_new_clinic_has_the_seeds_of_the_installed_modules_and_its_maker_as_admin(client):
    clinic = (await client.post(CLINICS, json={"name": "Luna"})).json()["data"]["id"]
    notes = await client.get("/api/v1/shelf/notes", headers={"X-Clinic-Id": clinic})
    assert [note["body"] for note in notes.json()["data"]] == ["seeded"]


async def test_seeds_that_fail_leave_no_clinic(clinic_app, app):
    async def broken(session, clinic_id):
        raise RuntimeError

    failing = build(clinic_app.schema, clinic_app.database, [ShelfModule()], seed_clinic=broken)
    async with await failing.signed_in() as client:
        assert (await client.post(CLINICS, json={"name": "Luna"})).status_code == 500
    assert await app.sql("SELECT count(*) FROM clinics WHERE name = 'Luna'") == 0


async def test_only_administrators_add_clinics(app):
    await app.add_user("eva@example.com", dentist=await app.add_clinic("Mar"))
    async with await app.signed_in("eva@example.com") as client:
        assert (await client.post(CLINICS, json={"name": "Luna"})).status_code == 403


@pytest.mark.parametrize(
    "given", [{}, {"name": " "}, {"name": "x", "country": "Spain"}, {"name": "x", "timezone": "Madrid"}, {"name": "x", "currency": "€"}]
)
async def test_what_is_no_clinic_is_refused(client, given):
    answer = await client.post(CLINICS, json=given)
    assert answer.status_code == 422
    assert answer.json()["data"] is None

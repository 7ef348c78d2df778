"""`/api/v1/events`: what failed can be seen, tried again and given up, by those who may, of their own clinic."""

from uuid import UUID

import pytest
from sqlalchemy import text

from tests.support.app import clinic_app, request_database

__all__ = ["clinic_app", "request_database"]

EVENTS = "/api/v1/events"


@pytest.fixture
async def clinics(clinic_app):
    """Ana administers Sol, Berta, the owner, Luna; Dora is a dentist in Sol."""
    sol, luna = await clinic_app.add_clinic("Sol"), await clinic_app.add_clinic("Luna")
    await clinic_app.add_user("ana@example.com", admin=sol)
    await clinic_app.add_user("berta@example.com", admin=luna, owner=True)
    await clinic_app.add_user("dora@example.com", dentist=sol)
    return sol, luna


@pytest.fixture
def deliver(clinic_app):
    async def deliver(clinic: UUID | None, status: str = "dead", *, module: str = "inventory", event: str = "appointment.completed") -> int:
        """A delivery with this end."""
        published = await clinic_app.sql(
            "INSERT INTO core_event (name, clinic_id, entity, payload) VALUES ($1, $2, 'appointment:1', '{\"n\": 1}') RETURNING id",
            event,
            clinic,
        )
        return await clinic_app.sql(
            "INSERT INTO core_event_delivery "
            "(event_id, module_name, handler, clinic_id, entity, status, attempts, last_error, finished_at) "
            "VALUES ($1, $2, 'inventory.events.consume', $3, 'appointment:1', $4, 12, 'ValueError at events.py:3', now()) RETURNING id",
            published,
            module,
            clinic,
            status,
        )

    return deliver


async def state(app, delivery: int) -> tuple:
    return await app.sql("SELECT ROW(status, attempts, decision)::text FROM core_event_delivery WHERE id = $1", delivery)


async def test_the_list_holds_the_dead_letters_of_the_clinic_newest_first(clinic_app, clinics, deliver):
    sol, luna = clinics
    first, second = await deliver(sol), await deliver(sol, module="timeline")
    await deliver(sol, "pending"), await deliver(sol, "done"), await deliver(luna), await deliver(None)

    async with await clinic_app.signed_in() as client:
        answer = (await client.get(f"{EVENTS}/-/dead-letters")).json()
        one = (await client.get(f"{EVENTS}/-/dead-letters", params={"module": "timeline"})).json()
        pages = (await client.get(f"{EVENTS}/-/dead-letters", params={"page": 2, "page_size": 1})).json()
        every = (await client.get(f"{EVENTS}/-/deliveries")).json()
        pending = (await client.get(f"{EVENTS}/-/deliveries", params={"status": "pending"})).json()

    assert ([each["id"] for each in answer["data"]], answer["total"]) == ([second, first], 2)
    assert answer["data"][1]["last_error"] == "ValueError at events.py:3"
    assert [each["id"] for each in one["data"]] == [second]
    assert [each["id"] for each in pages["data"]] == [first]
    assert (every["total"], pending["total"]) == (4, 1)


async def test_the_owner_sees_those_of_no_clinic_too(clinic_app, clinics, deliver):
    _, luna = clinics
    own, shared = await deliver(luna), await deliver(None)

    async with await clinic_app.signed_in("berta@example.com") as client:
        answer = (await client.get(f"{EVENTS}/-/dead-letters")).json()

    assert [each["id"] for each in answer["data"]] == [shared, own]


async def test_one_delivery_comes_with_its_payload(clinic_app, clinics, deliver):
    sol, luna = clinics
    own, other = await deliver(sol), await deliver(luna)

    async with await clinic_app.signed_in() as client:
        answer = await client.get(f"{EVENTS}/{own}")
        foreign = await client.get(f"{EVENTS}/{other}")

    assert answer.json()["data"]["payload"] == {"n": 1}
    assert (foreign.status_code, foreign.json()["errors"][0]["code"]) == (404, "delivery_unknown")


async def test_a_replayed_dead_letter_is_due_again_with_all_its_attempts(clinic_app, clinics, deliver):
    dead = await deliver(clinics[0])

    async with await clinic_app.signed_in() as client:
        answer = await client.post(f"{EVENTS}/{dead}/replay")
        again = await client.post(f"{EVENTS}/{dead}/replay")

    assert (answer.status_code, answer.json()["data"]["status"]) == (200, "pending")
    assert await state(clinic_app, dead) == "(pending,0,replayed)"
    assert (again.status_code, again.json()["errors"][0]["code"]) == (409, "delivery_not_dead")


@pytest.mark.parametrize("status", ["dead", "pending"])
async def test_a_discarded_delivery_is_closed_and_can_be_taken_back(clinic_app, clinics, deliver, status):
    delivery = await deliver(clinics[0], status)

    async with await clinic_app.signed_in() as client:
        answer = await client.post(f"{EVENTS}/{delivery}/discard")
        assert await state(clinic_app, delivery) == "(closed,12,discarded)"
        back = await client.post(f"{EVENTS}/{delivery}/replay")

    assert answer.json()["data"]["last_error"] == "ValueError at events.py:3"
    assert back.json()["data"]["status"] == "pending"


@pytest.mark.parametrize("status", ["done", "closed"])
async def test_what_is_over_is_neither_replayed_nor_discarded(clinic_app, clinics, deliver, status):
    delivery = await deliver(clinics[0], status)

    async with await clinic_app.signed_in() as client:
        answers = [await client.post(f"{EVENTS}/{delivery}/{what}") for what in ("replay", "discard")]

    assert [answer.status_code for answer in answers] == [409, 409]


async def test_a_delivery_being_worked_on_is_not_touched(clinic_app, clinics, deliver):
    delivery = await deliver(clinics[0], "pending")

    async with await clinic_app.signed_in() as client, clinic_app.database.unit() as working:
        await working.session.execute(text("SELECT 1 FROM core_event_delivery WHERE id = :id FOR UPDATE"), {"id": delivery})
        answer = await client.post(f"{EVENTS}/{delivery}/discard")

    assert answer.json()["errors"][0]["code"] == "delivery_busy"


async def test_all_dead_letters_of_the_clinic_are_replayed_at_once(clinic_app, clinics, deliver):
    sol, luna = clinics
    mine, other_module, other_clinic = await deliver(sol), await deliver(sol, module="timeline"), await deliver(luna)

    async with await clinic_app.signed_in() as client:
        some = await client.post(f"{EVENTS}/-/dead-letters/replay", json={"module": "timeline"})
        rest = await client.post(f"{EVENTS}/-/dead-letters/replay", json={})

    assert (some.json()["data"], rest.json()["data"]) == ({"replayed": 1}, {"replayed": 1})
    assert [await state(clinic_app, each) for each in (mine, other_module, other_clinic)] == [
        "(pending,0,replayed)", "(pending,0,replayed)", "(dead,12,)"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/-/catalogue"),
        ("GET", "/-/dead-letters"),
        ("GET", "/-/deliveries"),
        ("GET", "/1"),
        ("POST", "/1/replay"),
        ("POST", "/1/discard"),
        ("POST", "/-/dead-letters/replay"),
    ],
)
async def test_only_for_those_who_may(clinic_app, clinics, method, path):
    async with await clinic_app.signed_in("dora@example.com") as client:
        answer = await client.request(method, EVENTS + path, json={} if method == "POST" else None)

    assert answer.status_code == 403


async def test_the_catalogue_tells_names_payloads_and_who_listens(clinic_app, clinics):
    async with await clinic_app.signed_in() as client:
        found = {each["name"]: each for each in (await client.get(f"{EVENTS}/-/catalogue")).json()["data"]}

    assert found["appointment.status_changed"]["module"] is None
    assert "to_status" in found["appointment.status_changed"]["payload"]["required"]
    assert found["patient.created"]["heard_by"] == []

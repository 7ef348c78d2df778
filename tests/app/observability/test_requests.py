"""What a request leaves in log, metrics and traces: which route, module and clinic it was, and nothing of the people it was about."""

import json
import logging

import pytest
from fastapi import APIRouter
from sqlalchemy import text

from app.core.observability.metrics import INSTRUMENTS
from tests.support.app import Db, ShelfModule, build
from tests.support.app import routes as shelf_routes

PLANTED = "Xochitl"
NOTES = "/api/v1/shelf/notes"
people = APIRouter()


@people.get("/people/{name}")
async def person(name: str):
    logging.getLogger("app.modules.shelf.people").info("looked somebody up")
    return {"found": name == "nobody"}


@people.post("/people")
async def add_person(given: dict[str, str], db: Db):
    await db.execute(text("SELECT :name"), given)
    raise ValueError(f"{given['name']} is allergic to penicillin")


@people.post("/people/in-database")
async def add_to_database(given: dict[str, str], db: Db):
    await db.execute(text("SELECT CAST(:name AS integer)"), given)


@people.post("/people/swallowed")
async def log_the_error(given: dict[str, str]):
    try:
        raise RuntimeError(f"{given['name']} was not found")
    except RuntimeError:
        logging.getLogger("app.modules.shelf.people").exception("the import stopped")


class Shelf(ShelfModule):
    def get_router(self):
        router = APIRouter()
        router.include_router(people)
        router.include_router(shelf_routes)
        return router


@pytest.fixture
async def client(clinic_app):
    await clinic_app.add_user(admin=await clinic_app.add_clinic())
    app = build(clinic_app.schema, clinic_app.database, [Shelf()])
    async with await app.signed_in() as client:
        INSTRUMENTS.clear()
        yield client


def access_line(lines):
    return next(line for line in lines if line["logger"] == "dentalpin.access")


async def test_a_line_names_the_route_the_module_and_the_clinic(client, logged):
    answer = await client.get(NOTES, params={"search": "x"})

    line = access_line(logged())
    assert (line["method"], line["route"], line["status"], line["module"]) == ("GET", NOTES, 200, "shelf")
    assert line["request"] == answer.headers["x-request-id"]
    assert len(line["clinic"]) == 36
    assert line["ms"] > 0


async def test_every_line_of_one_request_carries_its_id(client, logged):
    answer = await client.get("/api/v1/shelf/people/nobody")

    mine = [line for line in logged() if line["logger"] in ("app.modules.shelf.people", "dentalpin.access")]
    assert {line["request"] for line in mine} == {answer.headers["x-request-id"]}
    assert "looked somebody up" in [line["message"] for line in mine]


async def test_an_id_of_the_callers_choice_is_not_taken_over(client, logged):
    answer = await client.get(NOTES, headers={"X-Request-Id": PLANTED})

    assert answer.headers["x-request-id"] != PLANTED


async def test_requests_are_counted_by_the_template_of_their_route(client):
    for path in ("/api/v1/shelf/people/ana", "/api/v1/shelf/people/bo", f"/api/v1/nothing/{PLANTED}"):
        await client.get(path)

    scraped = INSTRUMENTS.render().decode()

    assert 'dentalpin_http_requests_total{method="GET",route="/api/v1/shelf/people/{name}",status="200"} 2.0' in scraped
    assert 'dentalpin_http_requests_total{method="GET",route="(no route)",status="404"} 1.0' in scraped
    assert 'dentalpin_http_request_seconds_count{method="GET",route="/api/v1/shelf/people/{name}"} 2.0' in scraped


async def test_a_method_nobody_knows_makes_no_new_label(client):
    await client.request(PLANTED.upper(), NOTES)

    assert 'method="OTHER"' in INSTRUMENTS.render().decode()
    assert PLANTED.upper() not in INSTRUMENTS.render().decode()


async def test_a_request_is_a_span_named_after_its_route(client, spans):
    caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await client.get(NOTES, headers={"traceparent": caller})

    (span,) = spans()
    assert span["name"] == f"GET {NOTES}"
    assert span["context"]["trace_id"] == "0x0af7651916cd43dd8448eb211c80319c"
    assert {"http.route": NOTES, "http.response.status_code": 200, "dentalpin.module": "shelf"}.items() <= span["attributes"].items()


async def test_a_failed_request_is_a_failed_span(client, spans):
    await client.post("/api/v1/shelf/people", json={"name": "a"})

    (span,) = spans()
    assert (span["status"]["status_code"], span["attributes"]["error.type"]) == ("ERROR", "500")


async def test_a_patients_name_reaches_neither_log_nor_metrics_nor_traces(client, logged, spans):
    """Planted in every place a request has, also where the code that handles it fails."""
    header = {"User-Agent": PLANTED, "Referer": f"http://clinic.test/?q={PLANTED}", "Cookie": f"name={PLANTED}", "traceparent": PLANTED}
    requests = [
        ("GET", f"/api/v1/shelf/people/{PLANTED}", None),
        ("GET", f"{NOTES}?search={PLANTED}", None),
        ("GET", f"/api/v1/{PLANTED}?name={PLANTED}", None),
        ("GET", f"/{PLANTED}", None),
        (PLANTED.upper(), NOTES, None),
        ("POST", NOTES, {"body": PLANTED}),
        ("POST", NOTES, {"body": PLANTED * 10}),
        ("POST", NOTES, {"body": [PLANTED]}),
        ("POST", "/api/v1/shelf/people", {"name": PLANTED}),
        ("POST", "/api/v1/shelf/people/in-database", {"name": PLANTED}),
        ("POST", "/api/v1/shelf/people/swallowed", {"name": PLANTED}),
        ("POST", "/api/v1/auth/login", {"email": f"{PLANTED}@example.com", "password": PLANTED}),
    ]
    statuses = [(await client.request(method, path, headers=header, json=body)).status_code for method, path, body in requests]

    seen = json.dumps([logged(), spans()]) + INSTRUMENTS.render().decode()
    # Each place was really reached: answers of every kind, and the line of the failure that was logged with its traceback.
    assert {200, 201, 401, 404, 405, 422, 500} <= set(statuses)
    assert "the import stopped" in seen
    assert PLANTED.lower() not in seen.lower()

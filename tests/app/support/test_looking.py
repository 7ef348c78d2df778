"""What support sees while it is in: structure without patients, and nothing it could change or take along."""

from uuid import uuid4

import pytest
from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse
from sqlalchemy import text

from app.core import modes
from app.core.auth.dependencies import get_clinic_context
from app.database import get_db, unit_of_work
from tests.app.support.conftest import PATIENT, TELLING


async def test_lists_and_records_are_there_and_say_nothing_of_patients(runtime, owner, patient, two_clinics):
    patient_id, appointment_id = patient
    headers, _ = await runtime.inside(owner, two_clinics.a)
    paths = (
        "/api/v1/patients",
        f"/api/v1/patients/{patient_id}",
        "/api/v1/agenda/appointments",
        f"/api/v1/agenda/appointments/{appointment_id}",
        "/api/v1/agenda/calendar?from=2026-11-21&to=2026-11-22",
        "/api/v1/agenda/cabinets",
        "/api/v1/modules",
        "/api/v1/modules/-/active",
        "/api/v1/jobs",
        "/api/v1/events/-/deliveries",
    )
    answers = {path: await runtime.client.get(path, headers=headers) for path in paths}
    for path, answer in answers.items():
        found = [word for word in TELLING if word in answer.text]
        assert not found, (path, found, answer.text)
    assert {answer.status_code for path, answer in answers.items() if "deliveries" not in path} == {200}

    [record] = answers["/api/v1/patients"].json()["data"]
    assert (record["id"], record["status"], record["first_name"], record["birth_date"]) == (patient_id, "active", "•••", "•••")
    assert set(PATIENT) < set(record)
    appointment = answers[f"/api/v1/agenda/appointments/{appointment_id}"].json()["data"]
    assert (appointment["status"], appointment["patient_id"], appointment["patient_name"]) == ("scheduled", patient_id, "•••")
    assert {"patients", "agenda"} <= {each["name"] for each in answers["/api/v1/modules"].json()["data"]}


async def test_what_could_tell_who_is_a_patient_or_is_none_of_supports_business_is_refused(runtime, owner, patient, two_clinics):
    headers, _ = await runtime.inside(owner, two_clinics.a)
    refused = {
        "support_no_search": ("/api/v1/patients?search=Quiroga", "/api/v1/patients?page=1&filter=x"),
        "support_cannot_see": ("/api/v1/users", "/api/v1/auth/me", "/api/v1/support", "/api/v1/agents", "/", "/account"),
    }
    for code, paths in refused.items():
        for path in paths:
            answer = await runtime.client.get(path, headers={**headers, "Accept": "application/json"})
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, code), path


async def test_nothing_can_be_changed_whatever_the_method(runtime, owner, patient, two_clinics):
    patient_id, _ = patient
    headers, access_id = await runtime.inside(owner, two_clinics.a)
    tried = [
        ("POST", "/api/v1/patients", {"first_name": "x"}),
        ("POST", "/api/v1/patients/duplicates", {"first_name": "Ximena"}),
        ("PATCH", f"/api/v1/patients/{patient_id}", {"version": 1, "notes": ""}),
        ("POST", f"/api/v1/patients/{patient_id}/archive", None),
        ("POST", "/api/v1/modules/-/restart", {}),
        ("POST", f"/api/v1/support/{access_id}/accept", {}),
        ("DELETE", "/api/v1/auth/sessions", None),
    ]
    for method, path, body in tried:
        answer = await runtime.client.request(method, path, json=body, headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, "support_reads_only"), path


@pytest.fixture
def careless(runtime):
    """Routes as a careless author writes them: a GET that writes, here and in a transaction of its own, an export, a page, an error."""
    router = APIRouter()
    context = Depends(get_clinic_context)

    @router.get("/-/writes", dependencies=[context])
    async def writes(db=Depends(get_db)):
        await db.execute(text("UPDATE patients SET notes = 'seen'"))
        return {}

    @router.get("/-/writes-aside")
    async def writes_aside(ctx=context):
        async with unit_of_work(ctx.clinic_id) as session:
            await session.execute(text("UPDATE patients SET notes = 'seen'"))
        return {}

    @router.get("/-/writes-first")
    async def writes_first(db=Depends(get_db)):
        await db.execute(text("INSERT INTO burned_tokens (jti) VALUES ('x')"))
        return {}

    @router.get("/-/export", dependencies=[context])
    @modes.exports
    async def export():
        return {"patients": ["Ximena"]}

    @router.get("/-/page", dependencies=[context])
    async def page():
        return PlainTextResponse("Ximena")

    @router.get("/-/untyped", dependencies=[context])
    async def untyped():
        return {"Ximena": [{"born": 1971}, "Quiroga"]}

    @router.get("/-/fails", dependencies=[context])
    async def fails():
        from fastapi import HTTPException

        raise HTTPException(409, "Ximena Quiroga has an appointment already")

    runtime.app.include_router(router, prefix="/api/v1/patients")


async def test_a_careless_route_neither_writes_nor_tells(careless, runtime, owner, patient, two_clinics, operations):
    headers, _ = await runtime.inside(owner, two_clinics.a)
    answers = {
        name: await runtime.client.get(f"/api/v1/patients/-/{name}", headers=headers)
        for name in ("writes", "writes-aside", "writes-first", "export", "page", "untyped", "fails")
    }
    codes = {name: answer.json()["errors"][0]["code"] for name, answer in answers.items() if answer.status_code != 200}

    assert {name for name, answer in answers.items() if any(word in answer.text for word in TELLING)} == set()
    assert codes["export"] == codes["page"] == "support_no_export"
    assert {codes["writes"], codes["writes-aside"], codes["writes-first"]} == {"mode_read_only"}
    assert answers["untyped"].json() == "•••"
    assert (answers["fails"].status_code, answers["fails"].json()["message"]) == (409, "•••")
    assert (await operations.fetch("SELECT notes FROM patients"))[0][0] == PATIENT["notes"]


async def test_it_ends_with_its_time_and_the_moment_the_clinic_says_so(runtime, owner, two_clinics):
    headers, timed = await runtime.inside(owner, two_clinics.a, minutes=10)
    runtime.clock.advance(minutes=9, seconds=59)
    last = await runtime.client.get("/api/v1/patients", headers=headers)
    runtime.clock.advance(seconds=1)
    late = await runtime.client.get("/api/v1/patients", headers=headers)
    headers, revoked = await runtime.inside(owner, two_clinics.a)
    before = await runtime.client.get("/api/v1/patients", headers=headers)
    await runtime.client.post(f"/api/v1/support/{revoked}/revoke", headers=owner)
    after = await runtime.client.get("/api/v1/patients", headers=headers)

    assert [answer.status_code for answer in (last, late, before, after)] == [200, 401, 200, 401]
    assert ((await runtime.state(timed))["state"], (await runtime.state(revoked))["state"]) == ("ended", "revoked")
    assert (await runtime.come_in(revoked)).status_code == 401


async def test_a_backup_that_takes_the_place_of_the_clinics_data_lets_nobody_in_again(runtime, owner, two_clinics, operations):
    """What was in force when the backup was made may have been ended since: its rows say nothing of that."""
    headers, access_id = await runtime.inside(owner, two_clinics.a)
    waiting = await runtime.asked()
    before = await runtime.client.get("/api/v1/patients", headers=headers)
    [[own]] = await operations.fetch("SELECT oid::bigint FROM pg_database WHERE datname = current_database()")
    noted = {row[0] for row in await operations.fetch("SELECT database_oid FROM support_accesses")}
    await operations.fetch("UPDATE support_accesses SET database_oid = database_oid + 1")  # as rows that were loaded into this one
    after = await runtime.client.get("/api/v1/patients", headers=headers)
    page = await runtime.client.get("/", headers={"Cookie": f"{runtime.app.state.auth.cookie}=x"})
    again = await runtime.come_in(access_id)
    listed = (await runtime.client.get("/api/v1/support", headers=owner)).json()["data"]

    assert noted == {own}
    assert [answer.status_code for answer in (before, after, again)] == [200, 401, 401]
    assert "Eva Ruiz" not in page.text
    assert {one["id"]: one["state"] for one in listed} == {access_id: "ended", waiting: "lapsed"}


async def test_the_clinic_sees_everything_support_asked_for(runtime, owner, two_clinics):
    headers, access_id = await runtime.inside(owner, two_clinics.a)
    await runtime.client.get("/api/v1/patients", headers=headers)
    await runtime.client.get("/api/v1/patients?search=Quiroga", headers=headers)
    await runtime.client.delete(f"/api/v1/patients/{uuid4()}", headers=headers)
    reads = (await runtime.client.get(f"/api/v1/support/{access_id}/reads", headers=owner)).json()
    assert [(each["method"], each["path"][:16]) for each in reads["data"]] == [
        ("GET", "/api/v1/patients"),
        ("GET", "/api/v1/patients"),
        ("DELETE", "/api/v1/patients"),
    ]
    assert (await runtime.state(access_id))["reads"] == 3


async def test_everybody_in_the_clinic_is_told_while_it_lasts(runtime, owner, two_clinics):
    async def told():
        answer = await runtime.client.get("/api/v1/modules/-/active", headers=two_clinics.b.headers_of("receptionist"))
        page = await runtime.client.get("/sign-in", headers={"Cookie": f"{runtime.app.state.auth.cookie}=x"})
        stranger = await runtime.client.get("/sign-in", headers={"Cookie": "other=x"})
        assert "Eva Ruiz" not in stranger.text
        return [each["operator"] for each in answer.json()["data"]["support"]], "Eva Ruiz" in page.text

    before = await told()
    _, access_id = await runtime.inside(owner)
    during = await told()
    await runtime.client.post(f"/api/v1/support/{access_id}/revoke", headers=owner)
    assert (before, during, await told()) == (([], False), (["Eva Ruiz"], True), ([], False))


async def test_nobody_comes_in_by_a_made_up_token(runtime):
    answer = await runtime.client.get("/api/v1/patients", headers={"Authorization": "Bearer dps_made-up"})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (401, "support_session_over")

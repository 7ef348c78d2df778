"""A plan's limits in a runtime: refused where something is added, with plan and limit named, and never for what is there or for reading."""

import pytest
from fastapi import APIRouter, Request, UploadFile
from pydantic import SecretStr

from app.config import Settings
from app.core.limits.errors import PlanLimitReached
from app.core.limits.limits import GIGABYTE, Limits
from app.core.modes import Mode
from tests.support.app import SECRET, Clinic, Db, MayWrite, ShelfModule, build
from tests.support.app import routes as shelf_routes

USERS, CLINICS, PLAN = "/api/v1/users", "/api/v1/clinics", "/api/v1/-/plan"
UPLOAD = "/api/v1/shelf/scans"
scans = APIRouter()


@scans.post("/scans")
async def add_scan(file: UploadFile, ctx: Clinic, _: MayWrite, db: Db):
    return {"bytes": len(await file.read())}


@scans.post("/raw")
async def add_raw(request: Request, ctx: Clinic, _: MayWrite, db: Db):
    return {"bytes": len(await request.body())}


class Scanning(ShelfModule):
    def get_router(self):
        router = APIRouter()
        router.include_router(scans)
        router.include_router(shelf_routes)
        return router


@pytest.fixture
async def under(clinic_app, tmp_path):
    """`await under(limits)`: Ana, who administers a clinic that runs under these limits."""
    await clinic_app.add_user(admin=await clinic_app.add_clinic())
    clients = []

    async def start(limits, **options):
        settings = Settings(secret_key=SecretStr(SECRET), storage=tmp_path)
        app = build(clinic_app.schema, clinic_app.database, [Scanning()], settings=settings, limits=limits, **options)
        clients.append(await app.signed_in())
        return clients[-1]

    yield start
    for client in clients:
        await client.aclose()


def refusal(answer):
    assert answer.status_code == 409, answer.text
    error = answer.json()["errors"][0]
    assert error["code"] == "plan_limit_reached"
    return error["limit"], error["plan"], answer.json()["message"]


async def invite(client, email):
    return await client.post(USERS, json={"email": email, "role": "assistant"})


async def test_nobody_is_invited_beyond_the_plan_and_the_answer_says_what_to_do(under):
    ana = await under(Limits("Solo", users=2))
    bo = await invite(ana, "bo@example.com")
    assert bo.status_code == 201, bo.text

    limit, plan, message = refusal(await invite(ana, "cy@example.com"))

    assert (limit, plan) == ("users", "Solo")
    assert "Solo" in message
    assert "2 people" in message
    assert (await ana.get(USERS)).json()["total"] == 2

    person = bo.json()["data"]["person"]["id"]
    assert (await ana.patch(f"{USERS}/{person}", json={"status": "disabled"})).status_code == 200
    assert (await invite(ana, "cy@example.com")).status_code == 201
    assert refusal(await ana.patch(f"{USERS}/{person}", json={"status": "active"}))[0] == "users"


async def test_somebody_of_another_clinic_of_the_tenant_takes_no_second_place(under, clinic_app):
    luna = await clinic_app.add_clinic("Luna")
    await clinic_app.add_user("bo@example.com", dentist=luna)
    ana = await under(Limits("Solo", users=2))

    assert (await invite(ana, "bo@example.com")).status_code == 201


async def test_a_further_clinic_needs_a_larger_plan(under):
    limit, plan, message = refusal(await (await under(Limits("Solo", clinics=1))).post(CLINICS, json={"name": "Luna"}))

    assert (limit, plan) == ("clinics", "Solo")
    assert "1 clinic" in message


async def test_what_exceeds_a_smaller_plan_goes_on(under, clinic_app):
    sol = await clinic_app.sql("SELECT id FROM clinics")
    for name in ("bo", "cy"):
        await clinic_app.add_user(f"{name}@example.com", dentist=sol)
    ana = await under(Limits("Solo", clinics=1, users=1, storage_gb=1))

    assert (await ana.get(USERS)).json()["total"] == 3
    assert (await ana.post("/api/v1/shelf/notes", json={"body": "bread"})).status_code == 201
    rows = {row["name"]: row for row in (await ana.get(PLAN)).json()["data"]["limits"]}
    assert (rows["users"]["used"], rows["users"]["allowed"], rows["users"]["reached"]) == (3, 1, True)
    assert rows["storage_gb"]["reached"] is False


async def test_files_are_refused_when_the_storage_is_full_and_records_are_not(under, tmp_path):
    with (tmp_path / "scan.dcm").open("wb") as file:
        file.truncate(GIGABYTE)
    ana = await under(Limits("Solo", storage_gb=1))

    assert refusal(await ana.post(UPLOAD, files={"file": b"x" * 100}))[0] == "storage_gb"
    assert refusal(await ana.post("/api/v1/shelf/raw", content=b"x" * 300_000))[0] == "storage_gb"
    assert (await ana.post("/api/v1/shelf/notes", json={"body": "bread"})).status_code == 201
    assert (await ana.get("/api/v1/shelf/notes")).status_code == 200


async def test_files_are_taken_while_there_is_room(under):
    assert (await (await under(Limits("Solo", storage_gb=1))).post(UPLOAD, files={"file": b"x" * 100})).json() == {"bytes": 100}


async def test_the_owner_sees_what_is_in_use(under):
    ana = await under(Limits("Solo", clinics=1, users=5, storage_gb=20))

    page = (await ana.get("/", headers={"Accept-Language": "es"})).text

    assert "Plan Solo" in page
    assert "1 de 5" in page
    assert "lleno" in page


async def test_without_a_plan_there_is_no_limit(under):
    ana = await under(Limits(), mode=Mode.NORMAL)

    assert (await invite(ana, "bo@example.com")).status_code == 201
    assert (await ana.get(PLAN)).json()["data"]["plan"] is None
    assert "Plan" not in (await ana.get("/")).text


@pytest.mark.parametrize(("part", "limits"), [({}, Limits()), ({"users": 3, "rooms": 7}, Limits(users=3)), ({"users": "many"}, Limits())])
def test_limits_are_read_from_the_revision(part, limits):
    assert Limits.in_document({"limits": part}) == limits


@pytest.mark.parametrize(("present", "adding", "fits"), [(4, 1, True), (5, 1, False), (9, 1, False), (3, 2, True)])
def test_the_last_place_is_given_and_no_further_one(present, adding, fits):
    try:
        Limits("Solo", users=5).refuse_more("users", present, adding)
    except PlanLimitReached:
        assert not fits
    else:
        assert fits

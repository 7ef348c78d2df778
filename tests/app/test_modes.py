"""A clinic that is read-only or closed: what its modules still do, and that the core goes on."""

import pytest
from fastapi import APIRouter
from sqlalchemy import func, select

from app.core import modes
from app.core.modes import Mode, ModeForbids
from app.core.plugins.router import router as modules_router
from tests.support.app import PASSWORD, Clinic, Db, MayRead, MayWrite, Note, NoteIn, ShelfModule, build
from tests.support.app import clinic_app as clinic_app
from tests.support.app import request_database as request_database
from tests.support.app import routes as shelf_routes

NOTES = "/api/v1/shelf/notes"
more = APIRouter()


@more.post("/notes/search")
@modes.reads
async def search(given: NoteIn, ctx: Clinic, _: MayRead, db: Db):
    return {"found": await db.scalar(select(func.count()).select_from(Note).where(Note.body == given.body))}


@more.get("/notes/export")
@modes.exports
async def export(ctx: Clinic, _: MayRead, db: Db):
    db.add(Note(clinic_id=ctx.clinic_id, body="exported"))
    await db.flush()
    return {"notes": [note.body for note in await db.scalars(select(Note))]}


@more.get("/notes/visit")
async def visit(ctx: Clinic, _: MayRead, db: Db):
    """A read that writes, and whose author did not say so."""
    db.add(Note(clinic_id=ctx.clinic_id, body="visited"))
    return {}


@more.get("/notes/stamp")
@modes.writes
async def stamp(ctx: Clinic, _: MayWrite, db: Db):
    return {}


class Shelf(ShelfModule):
    def get_router(self):
        router = APIRouter()
        router.include_router(more)
        router.include_router(shelf_routes)
        return router


@pytest.fixture
async def in_mode(clinic_app):
    """`await in_mode(mode)`: a signed-in client of a clinic with one note that runs in this mode."""
    await clinic_app.add_user(admin=await clinic_app.add_clinic())
    normal = build(clinic_app.schema, clinic_app.database, [Shelf()])
    async with await normal.signed_in() as client:
        assert (await client.post(NOTES, json={"body": "bread"})).status_code == 201
    clients = []

    async def start(mode):
        app = build(clinic_app.schema, clinic_app.database, [Shelf()], mode=mode, routers=(modules_router,))
        clients.append(await app.signed_in())
        return clients[-1]

    yield start
    for client in clients:
        await client.aclose()


def refused(answer):
    assert answer.status_code == 403, answer.text
    return answer.json()["errors"][0]["code"]


async def test_a_read_only_clinic_shows_and_exports_but_changes_nothing(in_mode):
    client = await in_mode(Mode.READ_ONLY)

    assert (await client.get(NOTES)).json()["total"] == 1
    assert (await client.post(f"{NOTES}/search", json={"body": "bread"})).json() == {"found": 1}
    assert refused(await client.post(NOTES, json={"body": "wine"})) == "mode_read_only"
    assert refused(await client.get(f"{NOTES}/stamp")) == "mode_read_only"
    assert (await client.get(f"{NOTES}/export")).json() == {"notes": ["bread", "exported"]}


async def test_a_read_that_writes_is_stopped_by_the_database(in_mode):
    client = await in_mode(Mode.READ_ONLY)

    assert refused(await client.get(f"{NOTES}/visit")) == "mode_read_only"

    assert (await client.get(NOTES)).json()["total"] == 1


async def test_records_of_a_closed_clinic_are_read_and_exported_and_nothing_else_happens(in_mode):
    client = await in_mode(Mode.EXPORT_ONLY)

    assert (await client.get(NOTES)).json()["total"] == 1
    assert (await client.post(f"{NOTES}/search", json={"body": "bread"})).json() == {"found": 1}
    assert refused(await client.post(NOTES, json={"body": "wine"})) == "mode_export_only"
    assert refused(await client.get(f"{NOTES}/visit")) == "mode_read_only"
    assert (await client.get(f"{NOTES}/export")).status_code == 200
    assert refused(await client.post("/api/v1/users", json={"email": "bo@example.com", "role": "assistant"})) == "mode_export_only"


async def test_a_read_only_clinic_lets_people_in(in_mode):
    client = await in_mode(Mode.READ_ONLY)

    assert (await client.post("/api/v1/users", json={"email": "bo@example.com", "role": "assistant"})).status_code == 201


@pytest.mark.parametrize("mode", Mode)
async def test_signing_in_and_out_goes_on_in_every_mode(in_mode, mode):
    client = await in_mode(mode)

    assert (await client.get("/api/v1/auth/me")).status_code == 200
    assert (await client.post("/api/v1/auth/logout")).status_code == 200
    assert (await client.post("/api/v1/auth/login", json={"email": "ana@example.com", "password": PASSWORD})).status_code == 200


@pytest.mark.parametrize(("mode", "told"), [(Mode.NORMAL, None), (Mode.READ_ONLY, "read-only"), (Mode.EXPORT_ONLY, "exported")])
async def test_pages_are_told_the_mode(in_mode, mode, told):
    active = (await (await in_mode(mode)).get("/api/v1/modules/-/active")).json()["data"]

    assert active["mode"] == mode
    assert (told in active["banner"]) if told else active["banner"] is None


@pytest.mark.parametrize(
    ("mode", "kinds"), [(Mode.READ_ONLY, {"read", "export", "assist", "admit"}), (Mode.EXPORT_ONLY, {"read", "export"})]
)
def test_reading_and_exporting_go_on_in_every_mode(mode, kinds):
    assert {kind for kind in ("read", "write", "export", "assist", "admit") if modes.allows(kind, mode)} == kinds


@pytest.mark.parametrize("mode", [Mode.READ_ONLY, Mode.EXPORT_ONLY])
async def test_a_clinic_is_not_added_unless_modules_may_write(in_mode, mode):
    assert refused(await (await in_mode(mode)).post("/api/v1/clinics", json={"name": "Luna"})) == f"mode_{mode}"


def test_tools_and_jobs_ask_with_their_kind():
    modes.install(Mode.READ_ONLY)
    try:
        modes.refuse("read")
        with pytest.raises(ModeForbids) as forbidden:
            modes.refuse("write")
        assert (forbidden.value.code, modes.allows("write"), modes.allows("export")) == ("mode_read_only", False, True)
    finally:
        modes.install(Mode.NORMAL)
    assert modes.allows("write")


async def test_every_page_says_it_in_the_visitors_language(in_mode):
    client = await in_mode(Mode.READ_ONLY)

    assert "solo lectura" in (await client.get("/", headers={"Accept-Language": "es"})).text
    assert "read-only" in (await client.get("/sign-in")).text


async def test_a_clinic_in_normal_mode_is_told_nothing(in_mode):
    assert 'role="status"' not in (await (await in_mode(Mode.NORMAL)).get("/")).text

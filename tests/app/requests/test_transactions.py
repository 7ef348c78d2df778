"""One request, one transaction: what is answered has happened, and what has not happened is not answered with a 2xx."""

import pytest
from fastapi import APIRouter, BackgroundTasks, HTTPException, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import event, text

from app.core.errors import DomainError
from app.database import current_unit, unit_of_work
from tests.support.app import Db, ShelfModule, build
from tests.support.postgres import run_sql

probe = APIRouter(prefix="/api/v1/probe")
seen: list[str] = []


class Unwanted(DomainError):
    status = 409
    code = "unwanted"


@probe.post("/refuse")
async def refuse(db: Db):
    await db.execute(text("INSERT INTO burned_tokens (jti) VALUES ('refused')"))
    current_unit().after_commit(lambda: seen.append("refused"))
    raise Unwanted("Send something else.", hint="x")


@probe.post("/http-error")
async def http_error(db: Db):
    await db.execute(text("INSERT INTO burned_tokens (jti) VALUES ('http')"))
    raise HTTPException(418, "short and stout")


@probe.post("/crash")
async def crash(db: Db):
    await db.execute(text("INSERT INTO burned_tokens (jti) VALUES ('crashed')"))
    raise RuntimeError("allergic to penicillin")


@probe.post("/commit")
async def commit_early(db: Db):
    await db.execute(text("INSERT INTO burned_tokens (jti) VALUES ('early')"))
    await db.commit()
    raise Unwanted("Too early.")


@probe.post("/keep")
async def keep(db: Db, request: Request, tasks: BackgroundTasks):
    await db.execute(text("INSERT INTO burned_tokens (jti) VALUES (:jti)"), {"jti": (await request.body()).decode()})
    current_unit().after_commit(lambda: seen.append("kept"))
    tasks.add_task(lambda: seen.append(f"unit in background: {current_unit()}"))
    return {"kept": True}


@probe.get("/stream")
async def stream(db: Db):
    async def rows():
        async with unit_of_work() as session:
            yield str(await session.scalar(text("SELECT count(*) FROM burned_tokens")))
        raise RuntimeError("cut off")

    await db.execute(text("INSERT INTO burned_tokens (jti) VALUES ('streamed')"))
    return StreamingResponse(rows())


@pytest.fixture
async def app(clinic_app):
    seen.clear()
    return build(clinic_app.schema, clinic_app.database, [ShelfModule()], routers=[probe])


@pytest.fixture
async def shelf(app):
    """A client of somebody who may write notes."""
    await app.add_user(dentist=await app.add_clinic())
    async with await app.signed_in() as client:
        yield client


async def burned(app):
    return await app.sql("SELECT array_agg(jti ORDER BY jti) FROM burned_tokens")


async def test_what_was_answered_can_be_read_at_once_by_anybody(app, shelf):
    for number in range(30):
        made = await shelf.post("/api/v1/shelf/notes", json={"body": f"note {number:02}"})
        assert made.status_code == 201
        assert await app.sql("SELECT count(*) FROM shelf_notes") == number + 1
        assert (await shelf.get("/api/v1/shelf/notes")).json()["total"] == number + 1


async def test_a_commit_that_fails_is_answered_as_an_error(app, shelf):
    await shelf.post("/api/v1/shelf/notes", json={"body": "same"})
    again = await shelf.post("/api/v1/shelf/notes", json={"body": "same"})
    assert again.status_code == 409
    assert again.json() == {"data": None, "message": again.json()["message"], "errors": [{"code": "already_exists"}]}
    assert await app.sql("SELECT count(*) FROM shelf_notes") == 1


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [("refuse", 409, "unwanted"), ("http-error", 418, "refused"), ("crash", 500, "internal_error"), ("commit", 409, "unwanted")],
)
async def test_an_error_takes_everything_back(app, path, status, code):
    async with app.client() as client:
        answer = await client.post(f"/api/v1/probe/{path}")
    assert answer.status_code == status
    assert answer.json()["data"] is None
    assert answer.json()["errors"][0]["code"] == code
    assert await burned(app) is None
    assert seen == []


async def test_a_crash_tells_nothing_of_its_cause_but_an_incident_number(app, caplog):
    async with app.client() as client:
        answer = await client.post("/api/v1/probe/crash")
    incident = answer.json()["errors"][0]["incident"]
    assert "penicillin" not in answer.text
    assert "penicillin" not in caplog.text
    assert incident in caplog.text
    assert "test_transactions.py" in caplog.text


async def test_callbacks_run_after_the_commit_and_background_tasks_have_no_unit(app):
    async with app.client() as client:
        await client.post("/api/v1/probe/keep", content=b"kept")
    assert await burned(app) == ["kept"]
    assert seen == ["kept", "unit in background: None"]


async def test_a_stream_reads_in_a_unit_of_its_own_and_is_cut_off_when_it_fails(app):
    with pytest.raises(RuntimeError, match="^$"):
        async with app.client() as client:
            await client.get("/api/v1/probe/stream")
    assert await burned(app) == ["streamed"]


async def test_a_connection_that_died_while_idle_costs_nobody_an_error(app, postgres):
    async with app.client() as client:
        await client.post("/api/v1/probe/keep", content=b"one")
        run_sql(postgres.superuser_url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{app.schema.name}'")
        answer = await client.post("/api/v1/probe/keep", content=b"two")
    assert answer.status_code == 200
    assert await burned(app) == ["one", "two"]


async def test_a_type_changed_under_a_prepared_statement_costs_nobody_an_error(app, shelf):
    await shelf.post("/api/v1/shelf/notes", json={"body": "before"})
    assert (await shelf.get("/api/v1/shelf/notes")).json()["total"] == 1
    run_sql(app.schema.owner_url, "ALTER TABLE shelf_notes ALTER body TYPE text")
    assert (await shelf.get("/api/v1/shelf/notes")).status_code == 200


async def test_a_database_that_is_gone_is_a_503_to_repeat(app, shelf, postgres):
    run_sql(postgres.superuser_url, f"ALTER DATABASE {app.schema.name} WITH ALLOW_CONNECTIONS false")
    run_sql(postgres.superuser_url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{app.schema.name}'")
    answer = await shelf.get("/api/v1/shelf/notes")
    run_sql(postgres.superuser_url, f"ALTER DATABASE {app.schema.name} WITH ALLOW_CONNECTIONS true")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["errors"] == [{"code": "database_unavailable"}]
    assert (await shelf.get("/api/v1/shelf/notes")).status_code == 200


async def test_a_list_takes_four_statements_besides_its_own(app, shelf):
    counted: list[str] = []

    async def list_notes():
        answer = await shelf.get("/api/v1/shelf/notes")
        assert answer.status_code == 200

    def record(record):
        counted.append(record.query)

    # The driver reports BEGIN and COMMIT; prepared statements are SQLAlchemy's.
    @event.listens_for(app.database.engine.sync_engine, "checkout")
    def watch(connection, *_):
        connection.driver_connection.remove_query_logger(record)
        connection.driver_connection.add_query_logger(record)

    @event.listens_for(app.database.engine.sync_engine, "before_cursor_execute")
    def watch_statement(_connection, _cursor, statement, *_):
        counted.append(statement)

    await list_notes()
    counted.clear()
    await list_notes()
    own = [statement for statement in counted if "shelf_notes" in statement]
    assert len(own) == 1
    assert len(counted) - len(own) == 4, counted
    assert {"BEGIN;", "COMMIT;"} <= set(counted)


async def test_a_request_that_asks_nothing_of_the_database_opens_no_connection(app):
    opened = []
    event.listen(app.database.engine.sync_engine, "checkout", lambda *_: opened.append(1))
    async with app.client() as client:
        assert (await client.get("/sign-in")).status_code == 200
    assert opened == []


async def test_a_row_of_another_clinic_cannot_be_named_in_a_body(app, shelf):
    other = await app.add_clinic("Other")
    answer = await shelf.post("/api/v1/shelf/notes", json={"body": "x", "clinic_id": str(other)})
    assert answer.status_code == 403
    assert answer.json()["errors"] == [{"code": "other_clinic"}]


async def test_a_forgotten_filter_shows_no_row_of_another_clinic(app, shelf):
    other = await app.add_clinic("Other")
    await app.sql("INSERT INTO shelf_notes (clinic_id, body) VALUES ($1, 'theirs')", other)
    await shelf.post("/api/v1/shelf/notes", json={"body": "mine"})
    assert [note["body"] for note in (await shelf.get("/api/v1/shelf/notes")).json()["data"]] == ["mine"]

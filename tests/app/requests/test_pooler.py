"""Requests through a pooler in transaction mode: each transaction on another server connection, and nothing left in any."""

import asyncio

import pytest
from sqlalchemy import text

from app import database as boundary
from app.core.isolation import apply_policies
from app.database import Database, DatabaseUnavailable, reading_only, unit_of_work
from tests.support.app import NOTE_TABLE, ShelfModule, as_owner, build, run_sql
from tests.support.pooler import pooling


@pytest.fixture
async def pooler(core_schema):
    async with pooling(core_schema.app_url) as found:
        yield found


@pytest.fixture
async def pooled(core_schema, pooler):
    made = Database(core_schema.app_url, pooler_url=pooler.url)
    boundary.install(made)
    yield made
    boundary.install(None)
    await made.dispose()


@pytest.fixture
def clinic(core_schema, pooled):
    run_sql(core_schema.owner_url, NOTE_TABLE)
    as_owner(core_schema, lambda connection: apply_policies(connection, ["shelf_notes"]))
    return build(core_schema, pooled, [ShelfModule()])


async def test_a_day_of_requests_on_two_connections_leaves_nothing_behind(clinic, pooler):
    one, two = await clinic.add_clinic("Sol"), await clinic.add_clinic("Luna")
    await clinic.add_user("ana@example.com", admin=one)
    await clinic.add_user("eva@example.com", admin=two)
    ana, eva = await clinic.signed_in("ana@example.com"), await clinic.signed_in("eva@example.com")

    async with ana, eva:
        for turn in range(6):
            for who, title in ((ana, f"sol {turn}"), (eva, f"luna {turn}")):
                assert (await who.post("/api/v1/shelf/notes", json={"body": title})).status_code == 201
                assert (await who.post("/api/v1/shelf/notes", json={})).status_code == 422
        answers = await asyncio.gather(*(who.get("/api/v1/shelf/notes") for who in (ana, eva) * 8))

    for answer, whose in zip(answers, ("sol", "luna") * 8, strict=True):
        assert answer.status_code == 200, answer.text
        assert [note["body"].split()[0] for note in answer.json()["data"]] == [whose] * 6
    assert set(pooler.transactions) == {0, 1}
    assert pooler.named == []
    assert await pooler.left() == []


async def test_no_statement_of_the_request_path_sets_or_keeps_anything_beyond_its_transaction(clinic, pooler):
    one = await clinic.add_clinic()
    await clinic.add_user(admin=one)
    async with await clinic.signed_in() as ana:
        await ana.post("/api/v1/shelf/notes", json={"body": "x"})
        await ana.get("/api/v1/shelf/notes")
    said = [statement.upper() for _, statement in pooler.statements]
    assert len(said) > 10
    for word in ("LISTEN", "PG_ADVISORY_LOCK", "PG_TRY_ADVISORY_LOCK", "SET SESSION", "PREPARE ", "DECLARE ", "CREATE TEMP", "SET ROLE"):
        assert [statement for statement in said if statement.lstrip("; ").startswith(word) or f" {word}(" in statement] == [], word
    kept = [
        statement for statement in said if "SET_CONFIG" in statement and ", FALSE)" in statement and "SET_CONFIG('JIT'" not in statement
    ]
    assert kept == []


async def test_the_limits_hold_in_every_transaction_and_a_reading_one_writes_nothing(clinic, pooled, pooler):
    for _ in range(3):
        async with unit_of_work(database=pooled) as session:
            limits = [await session.scalar(text(f"SHOW {name}")) for name in ("statement_timeout", "lock_timeout", "jit")]
        assert limits == ["30s", "10s", "off"]
        with reading_only():
            async with unit_of_work(database=pooled) as session:
                assert await session.scalar(text("SHOW transaction_read_only")) == "on"
    assert await pooler.left() == []


async def test_what_needs_a_session_goes_to_the_server_itself(pooled, pooler):
    heard = asyncio.Event()
    connection = await pooled.connect()
    await connection.add_listener("told", lambda *_: heard.set())
    async with unit_of_work(database=pooled) as session:
        await session.execute(text("SELECT pg_notify('told', '')"))
    await asyncio.wait_for(heard.wait(), 20)
    await connection.close()
    assert [statement for _, statement in pooler.statements if "LISTEN" in statement.upper()] == []


async def test_a_pooler_given_as_the_servers_own_address_is_refused_at_once(core_schema, pooler):
    wrong = Database(pooler.url)
    with pytest.raises(DatabaseUnavailable):
        await wrong.connect()
    await wrong.dispose()


async def test_the_double_shows_what_a_client_leaves_in_a_session(core_schema, pooler):
    leaving = Database(core_schema.app_url, pooler_url=pooler.url)
    async with leaving.engine.connect() as connection:
        await connection.execute(text("SELECT set_config('statement_timeout', '7s', false), pg_advisory_lock_shared(7)"))
        await connection.commit()
    await leaving.dispose()
    left = await pooler.left()
    assert [one.partition(": ")[2] for one in left] == ["set statement_timeout=7000", "locks 7"]

"""Requests through PgBouncer itself, in transaction mode: what the double of `test_pooler.py` stands for."""

import asyncio
import os
import shutil
import socket
from contextlib import suppress

import pytest
from sqlalchemy import make_url, text

from app import database as boundary
from app.core.isolation import apply_policies
from app.database import Database, unit_of_work
from dentalpin_kit.ports import free_port
from tests.support.app import NOTE_TABLE, ShelfModule, as_owner, build, run_sql

CONNECTIONS = 2


@pytest.fixture
async def pgbouncer(core_schema, tmp_path):
    """Its address. It trusts everybody on loopback and signs in at the server as the request role."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer is not installed (Debian, Ubuntu: apt install pgbouncer)")
    server, port = make_url(core_schema.app_url), free_port()
    settings = tmp_path / "pgbouncer.ini"
    settings.touch(mode=0o600)
    settings.write_text(
        "[databases]\n"
        f"{server.database} = host={server.host} port={server.port} user={server.username} password={server.password}\n"
        "[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"pool_mode = transaction\ndefault_pool_size = {CONNECTIONS}\n" + ("user = nobody\n" if os.geteuid() == 0 else "")
        # It does not run as root.
    )
    process = await asyncio.create_subprocess_exec(program, "-q", str(settings), stderr=asyncio.subprocess.DEVNULL)
    try:
        await _answering(port)
        yield server.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _answering(port):
    async with asyncio.timeout(30):
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            await asyncio.sleep(0.02)


@pytest.fixture
async def pooled(core_schema, pgbouncer):
    made = Database(core_schema.app_url, pooler_url=pgbouncer)
    boundary.install(made)
    yield made
    boundary.install(None)
    await made.dispose()


async def test_clinics_that_share_two_connections_see_only_what_is_theirs(core_schema, pooled):
    run_sql(core_schema.owner_url, NOTE_TABLE)
    as_owner(core_schema, lambda connection: apply_policies(connection, ["shelf_notes"]))
    clinic = build(core_schema, pooled, [ShelfModule()])
    one, two = await clinic.add_clinic("Sol"), await clinic.add_clinic("Luna")
    await clinic.add_user("ana@example.com", admin=one)
    await clinic.add_user("eva@example.com", admin=two)
    ana, eva = await clinic.signed_in("ana@example.com"), await clinic.signed_in("eva@example.com")

    async with ana, eva:
        for turn in range(4):
            for who, title in ((ana, f"sol {turn}"), (eva, f"luna {turn}")):
                assert (await who.post("/api/v1/shelf/notes", json={"body": title})).status_code == 201
        answers = await asyncio.gather(*(who.get("/api/v1/shelf/notes") for who in (ana, eva) * 10))

    for answer, whose in zip(answers, ("sol", "luna") * 10, strict=True):
        assert answer.status_code == 200, answer.text
        assert [note["body"].split()[0] for note in answer.json()["data"]] == [whose] * 4


async def test_the_limits_hold_in_every_transaction(pooled):
    async def limits():
        async with unit_of_work(database=pooled) as session:
            return [await session.scalar(text(f"SHOW {name}")) for name in ("statement_timeout", "lock_timeout")]

    assert await asyncio.gather(*(limits() for _ in range(12))) == [["30s", "10s"]] * 12


async def test_it_is_shared_in_transaction_mode(core_schema, pooled):
    """Else nothing above would prove anything: more sessions of ours than there are connections behind."""
    async with asyncio.timeout(60):
        sessions = [pooled.engine.connect() for _ in range(CONNECTIONS + 2)]
        opened = [await session.__aenter__() for session in sessions]
        for one in opened:
            await one.execute(text("SELECT 1"))
            await one.rollback()
        behind = {await _backend(one) for one in opened}
        for session in sessions:
            await session.__aexit__(None, None, None)
    assert len(behind) <= CONNECTIONS


async def _backend(connection):
    found = await connection.scalar(text("SELECT pg_backend_pid()"))
    await connection.rollback()
    return found

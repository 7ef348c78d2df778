"""The shared server, administered by a role that is no superuser."""

import asyncio
import base64
import hashlib
import hmac
import stat
import subprocess
from uuid import uuid4

import asyncpg
import pytest

from control_plane.databases import SharedServer
from control_plane.databases.base import DatabaseRefused, DatabaseServerUnavailable
from control_plane.deployers.base import RoleVerifiers
from dentalpin_kit.postgres import find_binaries
from tests.support.postgres import PASSWORD, run_sql


def verifier(password):
    salt = b"0123456789abcdef"
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 4096)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    parts = [base64.b64encode(part).decode() for part in (salt, stored, hmac.digest(salted, b"Server Key", "sha256"))]
    return "SCRAM-SHA-256$4096:{}${}:{}".format(*parts)


VERIFIERS = RoleVerifiers(owner=verifier("owner-secret"), app=verifier("app-secret"))


@pytest.fixture
def server(postgres):
    return SharedServer(postgres.admin_url, bindir=postgres.bindir)


@pytest.fixture
async def tenant(server):
    tenant_id = uuid4()
    yield tenant_id
    await server.drop(tenant_id)


def connect(address, *, app=False):
    role, password = (address.app_role, "app-secret") if app else (address.owner_role, "owner-secret")
    return asyncpg.connect(host=address.host, port=address.port, database=address.name, user=role, password=password)


async def test_the_owner_makes_tables_and_the_request_role_only_what_it_is_granted(server, tenant):
    address = await server.ensure(tenant, VERIFIERS)
    owner = await connect(address)
    await owner.execute("CREATE TABLE note (id int)")
    await owner.execute(f"GRANT SELECT ON note TO {address.app_role}")
    await owner.close()

    app = await connect(address, app=True)
    assert await app.fetchval("SELECT count(*) FROM note") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute("CREATE TABLE mine (id int)")
    await app.close()


async def test_repeating_changes_nothing_and_renews_the_passwords(server, tenant):
    await server.ensure(tenant, RoleVerifiers(owner=verifier("old"), app=verifier("old")))
    address = await server.ensure(tenant, VERIFIERS)

    connection = await connect(address)
    assert await connection.fetchval("SELECT current_user::text") == address.owner_role
    await connection.close()


async def test_another_tenant_cannot_connect(server, tenant):
    other = uuid4()
    address, foreign = await server.ensure(tenant, VERIFIERS), await server.ensure(other, VERIFIERS)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(host=address.host, port=address.port, database=address.name, user=foreign.app_role, password="app-secret")
    await server.drop(other)


async def test_neither_role_may_make_roles_or_databases(server, tenant, postgres):
    address = await server.ensure(tenant, VERIFIERS)
    connection = await asyncpg.connect(postgres.superuser_url)
    query = "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles WHERE rolname = ANY($1)"
    rows = await connection.fetch(query, [address.owner_role, address.app_role])
    await connection.close()
    assert [tuple(row) for row in rows] == [(False, False, False, False)] * 2


@pytest.mark.parametrize("left", [1, 2, 4])
async def test_what_an_interrupted_attempt_left_is_taken_over(server, tenant, postgres, left):
    address = server.address(tenant)
    options = " WITH SET TRUE" if find_binaries(forced=postgres.bindir).major >= 16 else ""
    statements = [
        f"CREATE ROLE {address.owner_role}",
        f"CREATE ROLE {address.app_role}",
        f"GRANT {address.owner_role} TO CURRENT_USER{options}",
        f"CREATE DATABASE {address.name} OWNER {address.owner_role} TEMPLATE template0",
    ]
    run_sql(postgres.admin_url, *statements[:left])

    connection = await connect(await server.ensure(tenant, VERIFIERS), app=True)
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()


async def test_the_final_dump_restores_into_an_empty_database(server, tenant, postgres, tmp_path, tenant_database):
    address = await server.ensure(tenant, VERIFIERS)
    owner = await connect(address)
    await owner.execute("CREATE TABLE patient (id int PRIMARY KEY, clinic_id uuid); ALTER TABLE patient ENABLE ROW LEVEL SECURITY")
    await owner.execute("INSERT INTO patient SELECT n, gen_random_uuid() FROM generate_series(1, 100) n")
    await owner.close()

    dump = await server.dump(tenant, tmp_path / "kept" / "final.dump")

    assert dump.size == dump.file.stat().st_size
    assert stat.S_IMODE(dump.file.stat().st_mode) == 0o600
    assert [entry.name for entry in dump.file.parent.iterdir()] == ["final.dump"]
    restore = [postgres.bindir / "pg_restore", "--no-owner", "--no-privileges", "-d", tenant_database.owner_url, dump.file]
    await asyncio.to_thread(subprocess.run, restore, check=True, capture_output=True)
    connection = await asyncpg.connect(tenant_database.owner_url)
    assert await connection.fetchval("SELECT count(*) FROM patient") == 100
    await connection.close()


async def test_a_tenant_without_a_database_has_no_dump(server, tmp_path):
    assert await server.dump(uuid4(), tmp_path / "final.dump") is None
    assert list(tmp_path.iterdir()) == []


async def test_dropping_ends_connections_and_may_be_repeated(server, tenant, postgres):
    address = await server.ensure(tenant, VERIFIERS)
    connection = await connect(address, app=True)

    await server.drop(tenant)
    await server.drop(tenant)

    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.fetchval("SELECT 1")
    admin = await asyncpg.connect(postgres.admin_url)
    assert await admin.fetchval("SELECT count(*) FROM pg_roles WHERE rolname LIKE $1", f"{address.name}%") == 0
    await admin.close()


async def test_a_session_the_administrator_may_not_end_is_waited_for(server, tenant, postgres):
    address = await server.ensure(tenant, VERIFIERS)
    somebody = await asyncpg.connect(f"{postgres.superuser_url.rpartition('/')[0]}/{address.name}")

    with pytest.raises(DatabaseServerUnavailable, match="being accessed by other users"):
        await server.drop(tenant)

    await somebody.close()
    await server.drop(tenant)


async def test_an_administrator_without_the_rights_is_told_which(postgres, tenant):
    run_sql(postgres.superuser_url, f"CREATE ROLE weak LOGIN PASSWORD '{PASSWORD}'")
    with pytest.raises(DatabaseRefused, match="CREATEROLE and CREATEDB"):
        await SharedServer(postgres.url("weak", "postgres")).ensure(tenant, VERIFIERS)


async def test_a_server_that_is_away_is_a_temporary_matter():
    with pytest.raises(DatabaseServerUnavailable):
        await SharedServer("postgresql://admin:x@127.0.0.1:1/postgres").ensure(uuid4(), VERIFIERS)

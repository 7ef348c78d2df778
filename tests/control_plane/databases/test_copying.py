"""A tenant's database out into a stream and back in, for itself and for another tenant."""

import asyncpg
import pytest

from control_plane.databases.base import DatabaseServerUnavailable
from control_plane.databases.names import beside, database_name
from tests.control_plane.databases.test_shared import VERIFIERS, connect, server, tenant

__all__ = ["server", "tenant"]
another = tenant

FILL = """
    CREATE TABLE alembic_version (version_num text PRIMARY KEY);
    INSERT INTO alembic_version VALUES ('0007'), ('patients_0002');
    CREATE TABLE patient (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text, born timestamptz, weight float8, picture bytea);
    INSERT INTO patient (t, born, weight, picture)
        SELECT 'Ñuño ' || n, now(), n / 3.0, decode(md5(n::text), 'hex') FROM generate_series(1, 500) n;
    CREATE TABLE empty_one (id int);
    CREATE FUNCTION secret_count() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM patient';
    REVOKE EXECUTE ON FUNCTION secret_count() FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION secret_count() TO {app};
    GRANT SELECT (id) ON patient TO {app};
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {app};
    ALTER TABLE patient ENABLE ROW LEVEL SECURITY;
    CREATE POLICY nobody ON patient USING (false);
"""


@pytest.fixture
async def filled(server, tenant):
    address = await server.ensure(tenant, VERIFIERS)
    owner = await connect(address)
    await owner.execute(FILL.format(app=address.app_role))
    yield owner
    await owner.close()


async def dump_of(server, tenant_id, during=None):
    async with server.dumping(tenant_id) as dumping:
        if during is not None:
            await during()
        return dumping, b"".join([piece async for piece in dumping.content])


def source(content):
    async def pieces():
        for start in range(0, len(content), 10_000):
            yield content[start : start + 10_000]

    return pieces


async def test_what_is_loaded_is_what_the_snapshot_held(server, tenant, filled):
    async def write_meanwhile():
        await filled.execute("DELETE FROM patient WHERE id > 100")

    dumping, content = await dump_of(server, tenant, write_meanwhile)

    loaded = await server.load(tenant, beside(tenant, "check"), source(content), roles_of=tenant)

    assert dumping.contents.differences(loaded) == []
    assert loaded.tables["public.patient"][0] == 500
    assert loaded.heads == ("0007", "patients_0002")
    assert loaded.rows == 502


async def test_each_way_to_differ_is_named(server, tenant, filled):
    dumping, content = await dump_of(server, tenant)
    await server.load(tenant, beside(tenant, "next"), source(content), roles_of=tenant)
    await filled.close()
    await server.swap(tenant, beside(tenant, "next"))
    owner = await connect(server.address(tenant))
    await owner.execute("UPDATE patient SET weight = 7 WHERE id = 3; INSERT INTO empty_one VALUES (1); CREATE TABLE more (id int)")
    await owner.execute("DELETE FROM alembic_version WHERE version_num = '0007'")
    await owner.close()

    changed, _ = await dump_of(server, tenant)

    assert dumping.contents.differences(changed.contents) == [
        "table public.more was not there",
        "table public.alembic_version has 1 rows instead of 2",
        "table public.empty_one has 1 rows instead of 0",
        "table public.patient has other rows than it had",
        "its migrations are patients_0002 instead of 0007, patients_0002",
    ]


async def test_another_tenants_roles_may_do_there_what_the_original_s_may(server, tenant, another, filled):
    assert another != tenant
    _, content = await dump_of(server, tenant)
    address = await server.ensure(another, VERIFIERS)

    await server.load(another, beside(another, "next"), source(content), roles_of=tenant)
    await server.swap(another, beside(another, "next"))

    app = await connect(address, app=True)
    assert await app.fetchval("SELECT secret_count()") == 500
    assert await app.fetch("SELECT id FROM patient") == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.fetch("SELECT t FROM patient")
    await app.close()
    owner = await connect(address)
    await owner.execute("CREATE TABLE later (id int)")
    assert await owner.fetchval("SELECT has_table_privilege($1, 'later', 'SELECT')", address.app_role)
    assert not await owner.fetchval("SELECT has_function_privilege('public', 'secret_count()', 'EXECUTE')")
    await owner.close()


async def test_a_swap_that_is_repeated_changes_nothing_and_leaves_nothing_behind(server, tenant, filled, postgres):
    _, content = await dump_of(server, tenant)
    await filled.execute("DELETE FROM patient")
    await server.load(tenant, beside(tenant, "next"), source(content), roles_of=tenant)
    await server.swap(tenant, beside(tenant, "next"))

    await server.swap(tenant, beside(tenant, "next"))

    owner = await connect(server.address(tenant))
    assert await owner.fetchval("SELECT count(*) FROM patient") == 500
    names = await owner.fetch("SELECT datname FROM pg_database WHERE starts_with(datname, $1)", database_name(tenant))
    assert [row[0] for row in names] == [database_name(tenant)]
    await owner.close()


async def test_a_dump_that_breaks_off_is_no_database(server, tenant, filled):
    _, content = await dump_of(server, tenant)

    with pytest.raises(DatabaseServerUnavailable, match="pg_restore"):
        await server.load(tenant, beside(tenant, "next"), source(content[: len(content) // 2]), roles_of=tenant)


async def test_where_there_is_no_database_there_is_no_dump(server, tenant):
    async with server.dumping(tenant) as dumping:
        assert dumping is None

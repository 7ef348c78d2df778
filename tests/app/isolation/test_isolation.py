"""What the request role can see and change; everything here is tried as that role on real PostgreSQL."""

from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text

from app import database as boundary
from app.core.isolation import ClinicColumnNotUuid, RequestRoleUnknown, RoleNotIsolated, apply_policies, refuse_bypass
from app.database import unit_of_work
from tests.support.core import add_clinic, as_owner
from tests.support.postgres import run_sql

NOTES = (
    "CREATE TABLE notes (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), clinic_id uuid NOT NULL REFERENCES clinics, body text)",
    "CREATE TABLE tariffs (id serial PRIMARY KEY, clinic_id uuid REFERENCES clinics, body text)",
    "CREATE TABLE plain (id int PRIMARY KEY)",
    "CREATE VIEW noted AS SELECT clinic_id, body FROM notes",
    "CREATE MATERIALIZED VIEW counted AS SELECT clinic_id, count(*) FROM notes GROUP BY clinic_id",
)
TABLES = ("notes", "tariffs", "plain", "noted", "counted")


@pytest.fixture
async def clinics(core_schema):
    """Two clinics; each has one note and one tariff, and one tariff is shared."""
    mine, other = await add_clinic(core_schema, "Mine"), await add_clinic(core_schema, "Other")
    run_sql(core_schema.owner_url, *NOTES)
    as_owner(core_schema, lambda connection: apply_policies(connection, TABLES))
    run_sql(
        core_schema.owner_url,
        f"INSERT INTO notes (clinic_id, body) VALUES ('{mine}', 'mine'), ('{other}', 'other')",
        f"INSERT INTO tariffs (clinic_id, body) VALUES ('{mine}', 'mine'), ('{other}', 'other'), (NULL, 'shared')",
    )
    return mine, other


@pytest.fixture
async def request_role(core_schema):
    connection = await asyncpg.connect(core_schema.app_url)
    yield connection
    await connection.close()


@pytest.fixture
async def database(core_schema):
    made = boundary.Database(core_schema.app_url, pool_size=1)
    yield made
    await made.dispose()


async def test_a_query_without_a_filter_sees_the_clinic_of_its_unit_only(clinics, database):
    for clinic, body in zip(clinics, ("mine", "other"), strict=True):
        async with unit_of_work(clinic, database=database) as session:
            assert list(await session.scalars(text("SELECT body FROM notes"))) == [body]
            assert list(await session.scalars(text("SELECT body FROM noted"))) == [body]


async def test_without_a_clinic_there_are_no_rows_also_on_a_used_connection(clinics, database):
    async with unit_of_work(clinics[0], database=database) as session:
        assert await session.scalar(text("SELECT count(*) FROM notes")) == 1
    async with unit_of_work(database=database) as session:
        assert await session.scalar(text("SELECT count(*) FROM notes")) == 0


async def test_rows_of_no_clinic_are_shared_and_read_only(clinics, database):
    async with unit_of_work(clinics[0], database=database) as session:
        assert set(await session.scalars(text("SELECT body FROM tariffs"))) == {"mine", "shared"}
        assert (await session.execute(text("UPDATE tariffs SET body = 'changed'"))).rowcount == 1
        assert (await session.execute(text("DELETE FROM tariffs WHERE clinic_id IS NULL"))).rowcount == 0
    with pytest.raises(Exception, match="row-level security"):
        async with unit_of_work(clinics[0], database=database) as session:
            await session.execute(text("INSERT INTO tariffs (body) VALUES ('for all')"))


async def test_a_row_cannot_be_written_into_or_moved_to_another_clinic(clinics, database):
    mine, other = clinics
    for statement in ("INSERT INTO notes (clinic_id, body) VALUES (:other, 'x')", "UPDATE notes SET clinic_id = :other"):
        with pytest.raises(Exception, match="row-level security"):
            async with unit_of_work(mine, database=database) as session:
                await session.execute(text(statement), {"other": other})
    async with unit_of_work(mine, database=database) as session:
        assert (await session.execute(text("DELETE FROM notes"))).rowcount == 1
    async with unit_of_work(other, database=database) as session:
        assert await session.scalar(text("SELECT count(*) FROM notes")) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE notes DISABLE ROW LEVEL SECURITY",
        "DROP POLICY clinic_isolation ON notes",
        "CREATE POLICY all_of_it ON notes USING (true)",
        "SET ROLE tenant_owner",
        "SET SESSION AUTHORIZATION tenant_owner",
        "TRUNCATE notes",
        "CREATE TABLE mine (id int)",
        "SELECT * FROM counted",
        "UPDATE core_revision SET generation = 9",
        "DELETE FROM core_module_operation_log",
        "INSERT INTO core_table_owner (table_name, module_name, revision) VALUES ('notes', 'x', 'y')",
        "UPDATE alembic_version SET version_num = 'x'",
        "UPDATE core_module SET version = '9.9.9'",
        "DELETE FROM core_module",
        "DELETE FROM burned_tokens",
        "UPDATE users SET is_owner = true",
        "DELETE FROM users",
        "DELETE FROM clinics",
        "INSERT INTO core_setting (key, value) VALUES ('settled', '1')",
        "SET row_security = off; SELECT * FROM notes",
    ],
)
async def test_the_request_role_cannot_bypass_the_rules(clinics, request_role, statement):
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.InvalidAuthorizationSpecificationError)):
        await request_role.execute(statement)


async def test_a_setting_of_the_core_is_not_changed_by_a_request(clinics, request_role, core_schema):
    run_sql(core_schema.owner_url, "INSERT INTO core_setting (key, value) VALUES ('settled', '1')")
    assert await request_role.execute("UPDATE core_setting SET value = '2' WHERE key = 'settled'") == "UPDATE 0"
    assert await request_role.fetchval("SELECT value FROM core_setting WHERE key = 'settled'") == "1"


async def test_what_requests_need_of_the_core_is_granted(clinics, database):
    mine, _ = clinics
    user = uuid4()
    async with unit_of_work(mine, database=database) as session:
        await session.execute(text("INSERT INTO users (id, email) VALUES (:u, 'a@b.es')"), {"u": user})
        await session.execute(text("INSERT INTO memberships (user_id, clinic_id, role) VALUES (:u, :c, 'admin')"), {"u": user, "c": mine})
        await session.execute(text("INSERT INTO core_event (name, clinic_id, entity, payload) VALUES ('a.b', :c, '', '{}')"), {"c": mine})
        await session.execute(text("INSERT INTO core_setting (key, value) VALUES ('invitation', '{}')"))
        await session.execute(text("UPDATE clinics SET name = 'New name'"))
    async with unit_of_work(database=database) as session:
        assert await session.scalar(text("SELECT count(*) FROM core_event")) == 1
        assert await session.scalar(text("SELECT count(*) FROM memberships")) == 1
        assert set(await session.scalars(text("SELECT name FROM clinics"))) == {"New name", "Other"}


async def test_a_request_sees_no_event_and_grants_no_membership_of_another_clinic(clinics, database):
    mine, other = clinics
    async with unit_of_work(other, database=database) as session:
        await session.execute(text("INSERT INTO core_event (name, clinic_id, entity, payload) VALUES ('a.b', :c, '', '{}')"), {"c": other})
        await session.execute(text("INSERT INTO users (email) VALUES ('a@b.es')"))
    async with unit_of_work(mine, database=database) as session:
        assert await session.scalar(text("SELECT count(*) FROM core_event")) == 0
    with pytest.raises(Exception, match="row-level security"):
        async with unit_of_work(mine, database=database) as session:
            await session.execute(
                text("INSERT INTO memberships (user_id, clinic_id, role) SELECT id, :c, 'admin' FROM users"), {"c": other}
            )


async def test_applying_the_policies_again_locks_nothing(clinics, core_schema, request_role):
    async with request_role.transaction():
        await request_role.execute("SELECT * FROM notes, tariffs")

        def again(connection):
            connection.execute(text("SET lock_timeout = '1s'"))
            apply_policies(connection, TABLES)

        as_owner(core_schema, again)


async def test_a_column_that_became_nullable_gets_the_policy_for_shared_rows(clinics, core_schema, database):
    run_sql(core_schema.owner_url, "ALTER TABLE notes ALTER clinic_id DROP NOT NULL", "INSERT INTO notes (body) VALUES ('shared')")
    as_owner(core_schema, lambda connection: apply_policies(connection, TABLES))
    async with unit_of_work(clinics[0], database=database) as session:
        assert set(await session.scalars(text("SELECT body FROM notes"))) == {"mine", "shared"}


async def test_the_owner_sees_everything(clinics, core_schema):
    connection = await asyncpg.connect(core_schema.owner_url)
    assert await connection.fetchval("SELECT count(*) FROM notes") == 2
    await connection.close()


def test_a_clinic_id_that_is_no_uuid_is_refused(core_schema):
    run_sql(core_schema.owner_url, "CREATE TABLE odd (clinic_id text)")
    with pytest.raises(ClinicColumnNotUuid, match="make it UUID"):
        as_owner(core_schema, lambda connection: apply_policies(connection, ["odd"]))


def test_a_database_without_a_request_role_is_refused(core_schema, postgres):
    run_sql(postgres.superuser_url, f"REVOKE CONNECT ON DATABASE {core_schema.name} FROM tenant_app")
    with pytest.raises(RequestRoleUnknown, match="GRANT CONNECT"):
        as_owner(core_schema, lambda connection: apply_policies(connection, ["clinics"]))


async def test_a_process_that_would_bypass_the_policies_refuses_to_serve(core_schema, postgres, database):
    async with unit_of_work(database=database) as session:
        await refuse_bypass(session)
    for url in (core_schema.owner_url, postgres.superuser_url.rsplit("/", 1)[0] + f"/{core_schema.name}"):
        too_mighty = boundary.Database(url)
        with pytest.raises(RoleNotIsolated):
            async with unit_of_work(database=too_mighty) as session:
                await refuse_bypass(session)
        await too_mighty.dispose()

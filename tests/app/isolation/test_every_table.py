"""A query that forgets its filter returns nothing of another clinic: tried on every table with a clinic_id.

Each table gets a row per clinic, made from its columns' types; checks and foreign keys are lifted for that, in this test's own database.
"""

import asyncpg
import pytest
from sqlalchemy import text

from app import database as boundary
from app.core.isolation import CORE_EXEMPT
from app.database import unit_of_work

TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'clinic_id' AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1
"""
COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, a.atttypmod) AS type, t.typtype AS kind, a.atttypid::regtype::text AS plain
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull AND a.attgenerated = '' AND a.attidentity = ''
      AND a.attname <> 'clinic_id'
"""
LIFT = """
    DO $$ DECLARE found record; BEGIN
        FOR found IN SELECT conrelid::regclass AS relation, conname FROM pg_constraint
                     WHERE contype = 'c' AND connamespace = 'public'::regnamespace AND conrelid <> 0 LOOP
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.relation, found.conname);
        END LOOP;
    END $$
"""


def some_value(column):
    """A literal of the column's type that differs from row to row where it can."""
    kind = column["plain"]
    if column["kind"] == "e":
        return f"(SELECT enumlabel FROM pg_enum WHERE enumtypid = '{kind}'::regtype LIMIT 1)::{kind}"
    return {
        "uuid": "gen_random_uuid()",
        "boolean": "false",
        "jsonb": "'{}'::jsonb",
        "json": "'{}'::json",
        "timestamp with time zone": "now()",
        "timestamp without time zone": "now()::timestamp",
        "date": "current_date",
        "time without time zone": "'10:00'::time",
        "bytea": "gen_random_uuid()::text::bytea",
        "interval": "'1 hour'::interval",
        "tstzrange": "tstzrange(now(), now() + interval '1 hour')",
    }.get(kind) or (
        "(random() * 30000)::int"
        if kind in ("integer", "bigint", "smallint", "numeric", "double precision", "real")
        else f"left(gen_random_uuid()::text, coalesce(nullif({_length(column['type'])}, 0), 36))::{column['type']}"
    )


def _length(kind):
    digits = "".join(character for character in kind if character.isdigit())
    return int(digits) if digits else 0


@pytest.fixture
async def filled(clinic_database, two_clinics, postgres):
    """The tables with a clinic_id, each with at least one row of either clinic."""
    connection = await asyncpg.connect(f"{postgres.superuser_url.rsplit('/', 1)[0]}/{clinic_database.name}")
    await connection.execute(LIFT)
    await connection.execute("SET session_replication_role = replica")
    tables = [row["relname"] for row in await connection.fetch(TABLES)]
    for table in tables:
        columns = await connection.fetch(COLUMNS, table)
        for clinic in (two_clinics.a.id, two_clinics.b.id):
            names = ", ".join(f'"{column["attname"]}"' for column in columns)
            values = ", ".join(map(some_value, columns))
            await connection.execute(
                f'INSERT INTO "{table}" (clinic_id{", " + names if names else ""}) VALUES ($1{", " + values if values else ""})', clinic
            )
    await connection.close()
    return tables


@pytest.fixture
async def database(clinic_database):
    made = boundary.Database(clinic_database.app_url)
    yield made
    await made.dispose()


async def test_no_table_shows_a_row_of_another_clinic(filled, database, two_clinics):
    assert {"patients", "appointments", "memberships", "roles", "access_log", "core_event"} <= set(filled)
    leaks, blind = [], []
    for table in filled:
        async with unit_of_work(two_clinics.a.id, database=database) as session:
            found = set(await session.scalars(text(f'SELECT DISTINCT clinic_id FROM "{table}" WHERE clinic_id IS NOT NULL')))
        if found - {two_clinics.a.id}:
            leaks.append(table)
        if two_clinics.a.id not in found:
            blind.append(table)
    assert leaks == []
    assert blind == [], "a test that sees nothing proves nothing"


async def test_no_statement_changes_a_row_of_another_clinic(filled, database, two_clinics, clinic_database):
    touched, odd = [], []
    for table in filled:
        for statement in (f'UPDATE "{table}" SET clinic_id = clinic_id', f'DELETE FROM "{table}"'):
            try:
                async with unit_of_work(two_clinics.a.id, database=database) as session:
                    rows = (await session.execute(text(f"{statement} WHERE clinic_id = :other"), {"other": two_clinics.b.id})).rowcount
            except Exception as error:
                odd += [(table, str(error))] if "permission denied" not in str(error) else []
            else:
                touched += [(table, statement)] if rows else []
    assert (touched, odd) == ([], [])


async def test_without_a_clinic_only_tables_of_the_core_that_serve_all_of_them_are_seen(filled, database):
    """The dispatcher and signing in read theirs before a clinic is known; no module's table shows a row."""
    seen = set()
    for table in filled:
        async with unit_of_work(database=database) as session:
            if await session.scalar(text(f'SELECT count(*) FROM "{table}" WHERE clinic_id IS NOT NULL')):
                seen.add(table)
    assert {"memberships", "roles"} <= seen <= set(CORE_EXEMPT)


async def test_no_row_is_written_into_another_clinic(filled, database, two_clinics):
    """Policies are asked before constraints, so a row that lacks everything else will do."""
    written = []
    for table in filled:
        try:
            async with unit_of_work(two_clinics.a.id, database=database) as session:
                await session.execute(text(f'INSERT INTO "{table}" (clinic_id) VALUES (:other)'), {"other": two_clinics.b.id})
        except Exception as error:
            if "row-level security" not in str(error) and "permission denied" not in str(error):
                written.append((table, str(error)))
        else:
            written.append((table, "inserted"))
    assert written == []

"""What the agenda brings and takes along beyond what every module must (`test_conformance.py`)."""

from app.testing.snapshots import rows_of, schema_of

SEEDS = "SELECT x.xml_id, c.name FROM core_external_id x JOIN cabinets c ON c.id = x.record_id ORDER BY c.clinic_id"


async def test_the_doctor_finds_nothing_in_the_official_modules(operations):
    assert [finding.message for finding in await operations.doctor()] == []


async def test_each_clinic_has_one_default_cabinet_which_it_may_rename(operations):
    assert await operations.fetch(SEEDS) == [("agenda.cabinet_default", "1")] * 2
    await operations.fetch("UPDATE cabinets SET name = 'Blue'")

    await operations.restart()

    assert await operations.fetch(SEEDS) == [("agenda.cabinet_default", "Blue")] * 2


async def test_removing_the_agenda_takes_its_tables_and_nothing_else(operations):
    url = operations.tenant.owner_url
    schema, rows = await schema_of(url), await rows_of(url)

    await operations.uninstall("agenda")

    gone = {"cabinets", "appointments", "appointment_status_events", "appointment_cabinet_events"}
    left = await rows_of(url)
    assert rows.keys() - left.keys() == gone
    books = {"alembic_version", "core_external_id", "core_table_owner"}
    assert {table: left[table] for table in left.keys() - books} == {table: rows[table] for table in left.keys() - books}
    remaining = await schema_of(url)
    assert {column for column in schema["columns"] if column[0] not in gone} == remaining["columns"]
    # The extension of the exclusion constraints has gone with them; the one of the patients' search stays.
    assert await operations.fetch("SELECT extname FROM pg_extension WHERE extname IN ('btree_gist', 'pg_trgm')") == [("pg_trgm",)]

"""Seeds load once per clinic and never twice (guide §9, "Seed idempotency")."""

from __future__ import annotations

from uuid import uuid4

from app.testing.clinics import TwoClinics
from app.testing.operations import ModuleOperations

from .subject import Subject

_BY_CLINIC = "SELECT xml_id, table_name FROM core_external_id WHERE module_name = $1 AND clinic_id = $2 ORDER BY 1"


async def test_installing_twice_changes_nothing(subject: Subject, operations: ModuleOperations) -> None:
    """Seeds and `install` hook once more over what is there: no duplicates, no errors."""
    before = await subject.rows(operations)

    await operations.fetch("UPDATE core_module SET state = 'to_install' WHERE name = $1", subject.name)
    await operations.restart()

    assert await subject.rows(operations) == before


async def test_each_clinic_has_its_own_seeds(subject: Subject, operations: ModuleOperations, two_clinics: TwoClinics) -> None:
    a = await operations.fetch(_BY_CLINIC, subject.name, two_clinics.a.id)
    b = await operations.fetch(_BY_CLINIC, subject.name, two_clinics.b.id)

    assert a == b
    for table in {table for _, table in a}:
        query = f'SELECT count(*) FROM core_external_id x LEFT JOIN "{table}" t ON t.id = x.record_id AND t.clinic_id = x.clinic_id'
        lost = await operations.fetch(f"{query} WHERE x.module_name = $1 AND x.table_name = $2 AND t.id IS NULL", subject.name, table)
        assert lost == [(0,)], f"seeds of {table} are not in the clinic they were loaded for"


async def test_a_clinic_added_later_gets_the_same_seeds(subject: Subject, operations: ModuleOperations, two_clinics: TwoClinics) -> None:
    from sqlalchemy import text
    from sqlalchemy.ext.asyncio import AsyncConnection

    from app.core.plugins.seeds import seed_clinic

    later = uuid4()

    async def add(connection: AsyncConnection) -> None:
        columns = "(id, name, country, timezone, currency, locale)"
        values = "(:id, 'Later', 'PT', 'Europe/Lisbon', 'EUR', 'pt-PT')"
        await connection.execute(text(f"INSERT INTO clinics {columns} VALUES {values}"), {"id": later})
        await seed_clinic(connection, later)

    await operations.in_transaction(add)

    assert await operations.fetch(_BY_CLINIC, subject.name, later) == await operations.fetch(_BY_CLINIC, subject.name, two_clinics.a.id)

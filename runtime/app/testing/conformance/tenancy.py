"""One clinic never sees or changes what is another's: by the routes, and by the database if a route forgets (guide §9, "Multi-tenancy")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from app.testing.clinics import TwoClinics
from app.testing.operations import ModuleOperations

from .subject import Subject

if TYPE_CHECKING:
    import httpx2

MOST_IDS = 12
"""Ids of another clinic that are tried on each route."""


async def test_every_table_belongs_to_a_clinic_or_is_shared_on_purpose(subject: Subject, operations: ModuleOperations) -> None:
    """A table without `clinic_id` is every clinic's: lines of an order kept so are open to all. SHARED_TABLES names those meant so."""
    tables = set(await subject.tables(operations))

    assert tables - set(await subject.clinic_tables(operations)) - subject.shared_tables == set()


async def test_the_database_itself_keeps_clinics_apart(
    subject: Subject, populated: object, operations: ModuleOperations, two_clinics: TwoClinics
) -> None:
    """As the request role without any filter: nothing without a clinic, one's own with one, and no row can be moved to another."""
    import asyncpg

    connection = await asyncpg.connect(operations.tenant.app_url)
    try:
        for table in await subject.clinic_tables(operations):
            owned = f'SELECT count(*) FROM "{table}" WHERE clinic_id IS NOT NULL'
            assert await connection.fetchval(owned) == 0, f"{table} shows rows where no clinic is set"
            async with connection.transaction():
                await connection.execute("SELECT set_config('app.clinic_id', $1, true)", str(two_clinics.b.id))
                seen = await connection.fetch(f'SELECT DISTINCT clinic_id FROM "{table}" WHERE clinic_id IS NOT NULL')
                assert {row["clinic_id"] for row in seen} <= {two_clinics.b.id}, f"{table} shows rows of another clinic"
            assert await _moved(connection, table, two_clinics) == 0, f"a row of {table} can be moved into another clinic"
    finally:
        await connection.close()


async def _moved(connection: Any, table: str, clinics: TwoClinics) -> int:
    """How many rows of clinic b the database lets b give to clinic a; taken back."""
    import asyncpg

    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute("SELECT set_config('app.clinic_id', $1, true)", str(clinics.b.id))
        done: str = await connection.execute(f'UPDATE "{table}" SET clinic_id = $1', clinics.a.id)
        return int(done.rpartition(" ")[2])
    except asyncpg.PostgresError:
        return 0
    finally:
        await transaction.rollback()


async def _ids(subject: Subject, operations: ModuleOperations, clinic_id: UUID) -> list[str]:
    found = await subject.rows_of_clinic(operations, clinic_id)
    return [str(number) for rows in found.values() for _, number in rows[:MOST_IDS] if number is not None]


async def test_lists_show_nothing_of_another_clinic(
    subject: Subject, populated: httpx2.AsyncClient, operations: ModuleOperations, two_clinics: TwoClinics
) -> None:
    foreign = await _ids(subject, operations, two_clinics.a.id)
    for route in subject.guarded:
        if route.method == "GET" and not route.parameters:
            answer = await populated.get(route.url(subject.name, ""), headers=two_clinics.b.headers)
            assert answer.status_code < 500, f"{route.name}: {answer.status_code} {answer.text}"
            shown = [number for number in foreign if number in answer.text]
            assert shown == [], f"{route.name} shows things of another clinic"


async def test_things_of_another_clinic_are_neither_found_nor_changed(
    subject: Subject, populated: httpx2.AsyncClient, operations: ModuleOperations, two_clinics: TwoClinics
) -> None:
    """Each route with an id in its path, asked by clinic b's administrator for each thing of clinic a."""
    before = await subject.rows_of_clinic(operations, two_clinics.a.id)
    foreign = await _ids(subject, operations, two_clinics.a.id)
    for route in subject.guarded:
        for number in foreign if route.parameters else ():
            answer = await populated.request(route.method, route.url(subject.name, number), headers=two_clinics.b.headers, json=route.body)
            refused = 400 <= answer.status_code < 500 or number not in answer.text
            assert refused, f"{route.name} answers {answer.status_code} for {number}, which is another clinic's"
            assert answer.status_code < 500, f"{route.name}: {answer.status_code} {answer.text}"

    assert await subject.rows_of_clinic(operations, two_clinics.a.id) == before

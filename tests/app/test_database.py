"""The session boundary by itself; what requests make of it is tested in tests/app/requests."""

from uuid import uuid4

import pytest
from sqlalchemy import text

from app import database as boundary
from app.database import NoUnitOfWork, current_unit, get_db, set_clinic, sqlalchemy_url, unit_of_work


@pytest.fixture
async def database(tenant_database):
    made = boundary.Database(tenant_database.owner_url)
    async with unit_of_work(database=made) as session:
        await session.execute(
            text("CREATE TABLE note (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), body text UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        )
    boundary.install(made)
    yield made
    boundary.install(None)
    await made.dispose()


async def bodies():
    async with unit_of_work() as session:
        return list(await session.scalars(text("SELECT body FROM note ORDER BY body")))


async def clinic_of(session):
    return await session.scalar(text("SELECT nullif(current_setting('app.clinic_id', true), '')"))


async def test_a_unit_commits_at_its_end(database):
    async with unit_of_work() as session:
        await session.execute(text("INSERT INTO note (body) VALUES ('kept')"))
    assert await bodies() == ["kept"]


async def test_an_exception_takes_everything_back(database):
    with pytest.raises(ZeroDivisionError):
        async with unit_of_work() as session:
            await session.execute(text("INSERT INTO note (body) VALUES ('gone')"))
            raise ZeroDivisionError
    assert await bodies() == []


async def test_a_commit_inside_a_unit_only_flushes(database):
    with pytest.raises(ZeroDivisionError):
        async with unit_of_work() as session:
            await session.execute(text("INSERT INTO note (body) VALUES ('gone')"))
            await session.commit()
            raise ZeroDivisionError
    assert await bodies() == []


async def test_callbacks_run_after_the_commit_and_only_then(database):
    seen = []
    async with unit_of_work():
        current_unit().after_commit(lambda: seen.append("committed"))
        assert seen == []
    with pytest.raises(ZeroDivisionError):
        async with unit_of_work():
            current_unit().after_commit(lambda: seen.append("rolled back"))
            raise ZeroDivisionError
    assert seen == ["committed"]


async def test_a_unit_inside_a_unit_is_a_transaction_of_its_own(database):
    with pytest.raises(ZeroDivisionError):
        async with unit_of_work() as outer:
            await outer.execute(text("INSERT INTO note (body) VALUES ('outer')"))
            async with unit_of_work() as inner:
                await inner.execute(text("INSERT INTO note (body) VALUES ('inner')"))
            assert current_unit().session is outer
            raise ZeroDivisionError
    assert await bodies() == ["inner"]


async def test_a_failed_commit_raises_and_calls_nobody(database):
    seen = []
    with pytest.raises(Exception, match="duplicate key"):
        async with unit_of_work() as session:
            current_unit().after_commit(lambda: seen.append("committed"))
            await session.execute(text("INSERT INTO note (body) VALUES ('same'), ('same')"))
    assert seen == []
    assert await bodies() == []


async def test_the_clinic_holds_for_the_whole_unit_and_leaks_to_no_other(database):
    clinic = uuid4()
    async with unit_of_work(clinic) as session:
        assert await clinic_of(session) == str(clinic)
        await session.rollback()
        assert await clinic_of(session) == str(clinic)
    async with unit_of_work() as session:
        assert await clinic_of(session) is None
        await set_clinic(session, clinic)
        assert await clinic_of(session) == str(clinic)
        assert current_unit().clinic_id == clinic
    async with unit_of_work() as session:
        assert await clinic_of(session) is None


async def test_a_finished_unit_cannot_be_written_to(database):
    async with unit_of_work() as session:
        await session.execute(text("SELECT 1"))
    with pytest.raises(Exception, match="closed"):
        await session.execute(text("INSERT INTO note (body) VALUES ('lost')"))


async def test_without_a_unit_the_error_says_what_to_open(database):
    assert current_unit() is None
    with pytest.raises(NoUnitOfWork, match="unit_of_work"):
        await get_db()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("postgresql://u:p%40ss@host:5433/db", "postgresql+asyncpg://u:p%40ss@host:5433/db"),
        ("postgresql://u@host/db?sslmode=require", "postgresql+asyncpg://u@host/db?ssl=require"),
        ("postgres://u@/db?host=/run/pg", "postgresql+asyncpg://u@/db?host=/run/pg"),
    ],
)
def test_addresses_are_translated_for_the_driver(given, expected):
    assert sqlalchemy_url(given).replace("%2F", "/") == expected

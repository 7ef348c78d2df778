"""`@transactional` handlers: part of the publisher's transaction, and of its failure."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from app.core.events import event_bus, transactional
from app.core.events.errors import TooManyEvents
from app.core.events.inside import MOST_IN_ONE_TRANSACTION
from app.database import current_unit, sqlalchemy_url, unit_of_work

from .conftest import effect


@transactional
async def record(db, data):
    await effect(db, data, data.get("what", "recorded"))


@transactional
async def refuse(data):
    raise LookupError("not allowed")


async def consume(db, data):
    await effect(db, data, "consumed")


async def test_its_effects_are_there_with_the_commit_and_it_has_no_delivery(clinic):
    clinic.install("ledger", {"appointment.completed": record})
    clinic.install("inventory", {"appointment.completed": consume})

    await clinic.complete()

    assert await clinic.effects() == ["recorded"]
    assert await clinic.deliveries() == [("inventory", "pending", 0)]


async def test_what_it_raises_takes_the_publishers_change_back(clinic):
    clinic.install("ledger", {"appointment.completed": [record, refuse]})
    clinic.install("inventory", {"appointment.completed": consume})

    with pytest.raises(LookupError, match="not allowed") as caught:
        async with unit_of_work(clinic.id, database=clinic.database) as session:
            await effect(session, {"clinic_id": str(clinic.id)}, "published")
            event_bus.publish("appointment.completed", {"clinic_id": str(clinic.id), "appointment_id": str(clinic.other)})

    assert "refuse, a transactional handler of appointment.completed" in caught.value.__notes__[0]
    assert await clinic.effects() == []
    assert await clinic.rows("SELECT 1 FROM core_event") == []


async def test_it_runs_in_the_publishers_unit_of_work_in_the_order_of_publishing(clinic):
    order, units = [], []

    @transactional
    async def note(db, data):
        order.append(data["what"])
        units.append(current_unit().session is db)
        await db.execute(text("SELECT 1"))

    clinic.install("ledger", {"appointment.completed": note, "patient.created": note})
    async with unit_of_work(clinic.id, database=clinic.database):
        for what, name in (("first", "patient.created"), ("second", "appointment.completed"), ("third", "patient.created")):
            event_bus.publish(name, {"clinic_id": clinic.id, "patient_id": clinic.id, "appointment_id": clinic.id, "what": what})
        assert order == []

    assert order == ["first", "second", "third"]
    assert units == [True, True, True]


async def test_not_for_what_was_published_in_a_savepoint_that_was_rolled_back(clinic):
    clinic.install("ledger", {"patient.created": record})
    payload = {"clinic_id": clinic.id, "patient_id": clinic.id}

    async with unit_of_work(clinic.id, database=clinic.database) as session:
        with pytest.raises(ZeroDivisionError):
            async with session.begin_nested():
                event_bus.publish("patient.created", {**payload, "what": "phantom"})
                raise ZeroDivisionError
        async with session.begin_nested():
            event_bus.publish("patient.created", {**payload, "what": "kept"})
        assert await session.scalar(text("SELECT count(*) FROM effects")) == 0

    assert await clinic.effects() == ["kept"]


async def test_what_it_publishes_is_part_of_the_same_transaction(clinic):
    @transactional
    async def forward(db, data):
        event_bus.publish("ledger.entered", {"clinic_id": data["clinic_id"], "what": "entered"})

    clinic.install("ledger", {"patient.created": forward, "ledger.entered": record})
    await clinic.publish("patient.created", patient_id=str(clinic.id))

    assert await clinic.effects() == ["entered"]
    assert await clinic.rows("SELECT name FROM core_event ORDER BY id") == [("patient.created",), ("ledger.entered",)]


async def test_two_that_publish_to_each_other_end_in_an_error_that_names_them(clinic):
    calls = []

    @transactional
    async def again(data):
        calls.append(data)
        event_bus.publish("ledger.entered", {})

    clinic.install("ledger", {"ledger.entered": again})
    with pytest.raises(TooManyEvents, match=r"ledger\.entered.*Drop @transactional"):
        await clinic.publish("ledger.entered")

    assert len(calls) == MOST_IN_ONE_TRANSACTION
    assert await clinic.rows("SELECT 1 FROM core_event") == []


async def test_where_the_publisher_has_no_clinic_it_works_for_that_of_the_event(clinic):
    clinics = []

    @transactional
    async def whose(db, data):
        clinics.append(await db.scalar(text("SELECT current_setting('app.clinic_id', true)")))

    clinic.install("ledger", {"patient.created": whose})
    async with unit_of_work(database=clinic.database) as session:
        for each in (clinic.id, clinic.other):
            event_bus.publish("patient.created", {"clinic_id": each, "patient_id": each})
        await session.flush()

    assert clinics == [str(clinic.id), str(clinic.other)]


async def test_in_a_session_of_the_publishers_own_it_runs_at_that_sessions_commit(clinic):
    clinic.install("ledger", {"patient.created": record})
    engine = create_async_engine(sqlalchemy_url(clinic.tenant.owner_url))

    async with AsyncSession(engine) as own:
        await event_bus.publish("patient.created", {"clinic_id": clinic.id, "patient_id": clinic.id}, db=own)
        await own.commit()
    async with AsyncSession(engine) as own:
        await event_bus.publish("patient.created", {"clinic_id": clinic.id, "patient_id": clinic.id}, db=own)
        await own.rollback()
    await engine.dispose()

    assert await clinic.effects() == ["recorded"]


async def test_a_lifecycle_hook_publishes_to_it_too(clinic):
    """A hook's session joins the processor's transaction by a savepoint; it ends by a commit of that."""
    clinic.install("ledger", {"patient.created": record})
    engine = create_async_engine(sqlalchemy_url(clinic.tenant.owner_url))
    from app.database import joined_unit

    async with engine.connect() as connection:
        await connection.begin()
        async with AsyncSession(bind=connection, join_transaction_mode="create_savepoint") as session, joined_unit(session):
            event_bus.publish("patient.created", {"clinic_id": clinic.id, "patient_id": clinic.id})
            await session.commit()
        await connection.commit()
    await engine.dispose()

    assert await clinic.effects() == ["recorded"]

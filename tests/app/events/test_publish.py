"""Publishing: exactly if the change happens, for exactly those who listen."""

import json
import logging
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from app.core.events import EventType, event_bus
from app.core.events.errors import EventNameUnknown, EventOfAnotherClinic, EventPayloadInvalid
from app.core.events.types import CATALOGUE, entity_of
from app.database import NoUnitOfWork, unit_of_work


async def ignore(db, data):
    pass


async def test_an_event_is_in_the_outbox_with_one_delivery_per_handler(clinic):
    clinic.install("inventory", {EventType.APPOINTMENT_COMPLETED: ignore})
    clinic.install("timeline", {"appointment.completed": ignore, "patient.created": ignore})
    appointment = uuid4()

    await clinic.complete(appointment)

    assert await clinic.rows("SELECT name, clinic_id, entity FROM core_event") == [
        ("appointment.completed", clinic.id, f"appointment:{appointment}")
    ]
    assert await clinic.deliveries() == [("inventory", "pending", 0), ("timeline", "pending", 0)]


async def test_a_rolled_back_publication_was_never_made(clinic):
    clinic.install("inventory", {"appointment.completed": ignore})

    with pytest.raises(ZeroDivisionError):
        async with unit_of_work(clinic.id, database=clinic.database) as session:
            event_bus.publish("appointment.completed", {"clinic_id": str(clinic.id), "appointment_id": str(uuid4())})
            await session.flush()
            raise ZeroDivisionError

    assert await clinic.rows("SELECT 1 FROM core_event") == []
    assert await clinic.dispatcher.drain() == 0


async def test_publishing_needs_a_unit_of_work_and_says_so():
    with pytest.raises(NoUnitOfWork, match=r"Publishing patient.created needs a unit of work.*unit_of_work\(clinic_id\)"):
        event_bus.publish(EventType.PATIENT_CREATED, {})


async def test_awaiting_publish_works_too_and_not_awaiting_warns_of_nothing(clinic, recwarn):
    async with unit_of_work(clinic.id, database=clinic.database):
        payload = {"clinic_id": str(clinic.id), "patient_id": str(uuid4())}
        assert await event_bus.publish(EventType.PATIENT_CREATED, payload) is None
        event_bus.publish(EventType.PATIENT_CREATED, payload)

    assert len(await clinic.rows("SELECT 1 FROM core_event")) == 2
    assert not recwarn.list


async def test_the_payload_is_copied_as_it_was_when_published(clinic):
    item, at = uuid4(), datetime(2026, 1, 1, tzinfo=UTC)
    clinic.install("inventory", {})
    payload = {"clinic_id": clinic.id, "item_id": item, "qty": Decimal("1.50"), "at": at, "lines": [{"n": 1}]}

    async with unit_of_work(clinic.id, database=clinic.database):
        event_bus.publish("inventory.restocked", payload)
        payload["lines"][0]["n"] = 2

    [(stored,)] = await clinic.rows("SELECT payload FROM core_event")
    assert json.loads(stored) == {
        "clinic_id": str(clinic.id), "item_id": str(item), "qty": "1.50", "at": "2026-01-01T00:00:00Z", "lines": [{"n": 1}]
    }  # fmt: skip


async def test_the_clinic_is_the_publishers_and_no_other_can_be_claimed(clinic):
    with pytest.raises(EventOfAnotherClinic):
        async with unit_of_work(clinic.id, database=clinic.database):
            event_bus.publish("patient.created", {"clinic_id": str(clinic.other), "patient_id": str(uuid4())})


async def test_where_the_unit_has_no_clinic_the_payload_names_it(clinic):
    async with unit_of_work(database=clinic.database):
        event_bus.publish("patient.created", {"clinic_id": str(clinic.id), "patient_id": str(uuid4())})

    assert await clinic.rows("SELECT clinic_id FROM core_event") == [(clinic.id,)]


@pytest.mark.parametrize("name", ["appointment.complete", "billing.paid", "restocked", "inventory.Restocked", "inventory.re.stocked", ""])
async def test_a_name_of_another_module_or_with_a_typo_is_an_error_in_tests(clinic, name):
    clinic.install("inventory", {})

    with pytest.raises(EventNameUnknown, match="correct the name"):
        await clinic.publish(name)


async def test_a_module_may_not_publish_under_another_modules_name(clinic):
    clinic.install("inventory", {})
    clinic.install("billing", {})
    # As if this test stood in the package of `inventory`: both modules of these tests are defined in conftest.
    type(clinic.registry.get("billing").module).__module__ = "elsewhere"
    type(clinic.registry.get("inventory").module).__module__ = __name__

    async with unit_of_work(clinic.id, database=clinic.database):
        event_bus.publish("inventory.restocked", {})
        with pytest.raises(EventNameUnknown, match=r"nor inventory\.<action>"):
            event_bus.publish("billing.paid", {})


async def test_in_production_an_unknown_name_is_a_warning_and_is_published(clinic, caplog):
    event_bus.strict = False

    with caplog.at_level(logging.WARNING):
        await clinic.publish("appointment.complete", note="allergic to latex")

    assert "'appointment.complete' is neither in the core's catalogue" in caplog.text
    assert "latex" not in caplog.text
    assert len(await clinic.rows("SELECT 1 FROM core_event")) == 1


async def test_a_payload_that_lacks_what_the_catalogue_promises_is_an_error_in_tests(clinic):
    with pytest.raises(EventPayloadInvalid, match=r"patient_id \(missing\)"):
        await clinic.publish("patient.created")


async def test_an_invalid_payload_is_logged_without_what_it_holds(clinic, caplog):
    event_bus.strict = False

    with caplog.at_level(logging.WARNING):
        await clinic.publish("patient.created", patient_id="María with a penicillin allergy")

    assert "patient_id (uuid_parsing)" in caplog.text
    assert "penicillin" not in caplog.text


def test_the_catalogue_holds_the_names_of_the_guide():
    assert {name.value for name in EventType} == set(CATALOGUE)
    assert f"{EventType.APPOINTMENT_COMPLETED}" == "appointment.completed" == EventType.APPOINTMENT_COMPLETED
    assert {EventType.INVOICE_PAID: 1}["invoice.paid"] == 1


@pytest.mark.parametrize(
    ("name", "payload", "entity"),
    [
        ("appointment.completed", {"clinic_id": "c", "patient_id": "p", "appointment_id": "a"}, "appointment:a"),
        ("agenda.rescheduled", {"clinic_id": "c", "appointment_id": "a", "patient_id": "p"}, "appointment:a"),
        ("inventory.restocked", {"clinic_id": "c", "item_id": UUID(int=1)}, f"item:{UUID(int=1)}"),
        ("reports.built", {"clinic_id": "c", "owner_id": None}, "reports"),
        ("reports.built", {"file_id": "x" * 500}, "file:" + "x" * 155),
    ],
)
def test_the_entity_is_what_the_event_is_about(name, payload, entity):
    assert entity_of(name, payload) == entity

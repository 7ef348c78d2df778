"""Delivery: after the commit, once, in order, and nobody's failure is another's."""

import asyncio
import logging
from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy import text

from app.core.events import event_bus, outbox
from app.core.events.dispatcher import Dispatcher
from app.database import Database, current_unit, unit_of_work

from .conftest import effect


async def consume(db, data):
    await effect(db, data, "consumed")


async def fail(db, data):
    await effect(db, data, "half done")
    raise ValueError(f"cannot handle {data}")


async def test_a_handler_runs_after_the_commit_in_the_publishers_clinic(clinic):
    seen = []

    async def handler(db, data):
        seen.append((await db.execute(text("SELECT current_setting('app.clinic_id')"))).scalar_one())
        assert current_unit().session is db
        await effect(db, data, "consumed")

    clinic.install("inventory", {"appointment.completed": handler})
    await clinic.complete()
    assert await clinic.effects() == []

    assert await clinic.dispatcher.drain() == 1

    assert await clinic.effects() == ["consumed"]
    assert seen == [str(clinic.id)]
    assert await clinic.deliveries() == [("inventory", "done", 1)]


async def test_a_handler_sees_no_other_clinics_rows(clinic):
    counts = []

    async def handler(db, data):
        await effect(db, data, "consumed")
        counts.append((await db.execute(text("SELECT count(*) FROM effects"))).scalar_one())

    clinic.install("inventory", {"appointment.completed": handler})
    await clinic.complete()
    await clinic.complete(clinic_id=clinic.other)

    await clinic.dispatcher.drain()

    assert counts == [1, 1]
    assert len(await clinic.effects()) == 2


async def test_what_was_published_before_a_kill_is_delivered_by_the_next_process(clinic):
    clinic.install("inventory", {"appointment.completed": consume})
    await clinic.complete()

    # The publishing process never dispatched; another one starts with connections of its own.
    restarted = Database(clinic.tenant.app_url)
    assert await Dispatcher(restarted, clinic.registry).drain() == 1
    await restarted.dispose()

    assert await clinic.effects() == ["consumed"]


async def test_a_kill_in_the_middle_of_a_handler_leaves_nothing_and_it_runs_again(clinic):
    started = asyncio.Event()

    async def stuck(db, data):
        await effect(db, data, "consumed")
        started.set()
        await asyncio.Event().wait()

    clinic.install("inventory", {"appointment.completed": stuck})
    await clinic.complete()
    killed = asyncio.create_task(clinic.dispatcher.drain())
    await started.wait()
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    assert await clinic.effects() == []

    clinic.install("inventory", {"appointment.completed": _same_name(stuck, consume)})
    await clinic.dispatcher.drain()

    assert await clinic.effects() == ["consumed"]
    assert await clinic.deliveries() == [("inventory", "done", 1)]


async def test_two_dispatchers_never_deliver_twice(clinic):
    async def handler(db, data):
        await effect(db, data, data["appointment_id"])
        await asyncio.sleep(0)

    clinic.install("inventory", {"appointment.completed": handler})
    clinic.install("timeline", {"appointment.completed": handler})
    appointments = [uuid4() for _ in range(15)]
    for appointment in appointments:
        await clinic.complete(appointment)
    other = Database(clinic.tenant.app_url)

    attempts = await asyncio.gather(
        clinic.dispatcher.drain(),
        clinic.dispatcher.drain(),
        Dispatcher(other, clinic.registry).drain(),
        Dispatcher(other, clinic.registry).drain(),
    )
    await other.dispose()
    await clinic.dispatcher.drain()

    assert sum(attempts) <= 30
    assert sorted(await clinic.effects()) == sorted([str(appointment) for appointment in appointments] * 2)
    assert {delivery[1:] for delivery in await clinic.deliveries()} == {("done", 1)}


async def test_a_failed_handler_leaves_nothing_and_is_tried_again_later(clinic):
    clinic.install("inventory", {"appointment.completed": fail})
    await clinic.complete()

    assert await clinic.dispatcher.drain() == 1

    assert await clinic.effects() == []
    assert await clinic.deliveries() == [("inventory", "pending", 1)]
    assert await clinic.dispatcher.next_due() > datetime.now(UTC)


async def test_a_poisoned_handler_holds_up_only_its_own(clinic):
    clinic.install("poisoned", {"appointment.completed": fail, "patient.created": consume})
    clinic.install("inventory", {"appointment.completed": consume})
    await clinic.complete()
    await clinic.complete()
    await clinic.publish("patient.created", patient_id=str(uuid4()))

    await clinic.dispatcher.drain()

    assert await clinic.deliveries() == [
        ("poisoned", "pending", 1), ("inventory", "done", 1), ("poisoned", "pending", 1), ("inventory", "done", 1), ("poisoned", "done", 1)
    ]  # fmt: skip


async def test_after_its_last_attempt_a_delivery_is_dead_and_lets_later_ones_through(clinic):
    appointment = uuid4()
    clinic.install("inventory", {"appointment.completed": fail})
    await clinic.complete(appointment)
    await clinic.complete(appointment)

    for _ in range(outbox.MAX_ATTEMPTS):
        await clinic.let_back_off_end()
        await clinic.dispatcher.deliver_one()

    assert await clinic.deliveries() == [("inventory", "dead", outbox.MAX_ATTEMPTS), ("inventory", "pending", 0)]
    clinic.install("inventory", {"appointment.completed": _same_name(fail, consume)})
    await clinic.dispatcher.drain()
    assert await clinic.deliveries() == [("inventory", "dead", outbox.MAX_ATTEMPTS), ("inventory", "done", 1)]


async def test_nothing_of_a_payload_stands_in_the_error_or_the_log(clinic, caplog):
    clinic.install("inventory", {"appointment.completed": fail, "patient.created": _violate})
    await clinic.complete(note="allergic to latex")
    await clinic.publish("patient.created", patient_id=str(uuid4()), note="allergic to latex")

    with caplog.at_level(logging.DEBUG, logger="app"):
        await clinic.dispatcher.drain()

    errors = [row[0] for row in await clinic.rows("SELECT last_error FROM core_event_delivery ORDER BY id")]
    assert errors[0].startswith("ValueError at ")
    assert "test_delivery.py" in errors[0]
    assert "IntegrityError" in errors[1]
    assert "23502" in errors[1]
    assert "latex" not in "".join(errors) + caplog.text
    assert "appointment.completed" in caplog.text


async def _violate(db, data):
    await db.execute(
        text("INSERT INTO effects (clinic_id, what) SELECT CAST(:clinic AS uuid), NULL WHERE CAST(:note AS text) IS NOT NULL"),
        {"clinic": data["clinic_id"], "note": data["note"]},
    )


async def test_events_of_one_entity_arrive_in_the_order_they_were_published(clinic):
    order = []

    async def handler(db, data):
        if data["status"] == "first" and not order:
            order.append("failed")
            raise ValueError
        order.append(data["status"])

    clinic.install("timeline", {"appointment.scheduled": handler, "appointment.completed": handler})
    appointment = str(uuid4())
    await clinic.publish("appointment.scheduled", appointment_id=appointment, status="first")
    await clinic.publish("appointment.completed", appointment_id=appointment, status="second")
    await clinic.publish("appointment.completed", appointment_id=str(uuid4()), status="another appointment")

    await clinic.dispatcher.drain()
    assert order == ["failed", "another appointment"]

    await clinic.let_back_off_end()
    await clinic.dispatcher.drain()
    assert order == ["failed", "another appointment", "first", "second"]


async def test_an_earlier_delivery_being_worked_on_elsewhere_is_waited_for(clinic):
    appointment = uuid4()
    clinic.install("inventory", {"appointment.completed": consume})
    await clinic.complete(appointment)
    await clinic.complete(appointment)

    async with clinic.database.unit() as elsewhere:
        assert await outbox.claim(elsewhere.session, ["inventory"]) is not None
        assert await clinic.dispatcher.drain() == 0

    assert await clinic.dispatcher.drain() == 2


async def test_a_handler_that_commits_or_rolls_back_by_itself_still_takes_effect_once(clinic):
    async def commits(db, data):
        await effect(db, data, "one")
        await db.commit()
        await effect(db, data, "two")

    async def rolls_back(db, data):
        await effect(db, data, "never")
        await db.rollback()
        await effect(db, data, "three")

    clinic.install("inventory", {"appointment.completed": commits, "patient.created": rolls_back})
    await clinic.complete()
    await clinic.publish("patient.created", patient_id=str(uuid4()))

    await clinic.dispatcher.drain()

    assert await clinic.effects() == ["one", "two", "three"]
    assert {delivery[1] for delivery in await clinic.deliveries()} == {"done"}


async def test_whoever_finishes_second_keeps_nothing(clinic):
    async def slow(db, data):
        await effect(db, data, "by the slow one")
        await db.rollback()
        # The rollback gave the claim away: another process delivers meanwhile.
        clinic.install("inventory", {"appointment.completed": _same_name(slow, consume)})
        await clinic.dispatcher.drain()
        await effect(db, data, "by the slow one")

    clinic.install("inventory", {"appointment.completed": slow})
    await clinic.complete()

    await clinic.dispatcher.drain()

    assert await clinic.effects() == ["consumed"]
    assert await clinic.deliveries() == [("inventory", "done", 1)]


async def test_what_a_handler_publishes_is_delivered_with_its_effects_or_not_at_all(clinic):
    async def forward(db, data):
        event_bus.publish("inventory.restocked", {"clinic_id": data["clinic_id"], "item_id": data["appointment_id"]})
        if data.get("fails"):
            raise ValueError

    clinic.install("inventory", {"appointment.completed": forward})
    clinic.install("billing", {"inventory.restocked": consume})
    await clinic.complete()
    await clinic.complete(fails=True)

    await clinic.dispatcher.drain()

    assert await clinic.effects() == ["consumed"]
    assert await clinic.rows("SELECT count(*)::int FROM core_event WHERE name = 'inventory.restocked'") == [(1,)]


async def test_modules_installed_later_do_not_hear_of_the_past(clinic):
    await clinic.complete()
    clinic.install("inventory", {"appointment.completed": consume})

    assert await clinic.dispatcher.drain() == 0


async def test_deliveries_of_modules_not_served_here_wait(clinic):
    clinic.install("inventory", {"appointment.completed": consume})
    await clinic.complete()
    clinic.registry.unmount("inventory")

    assert await clinic.dispatcher.drain() == 0
    assert await clinic.dispatcher.next_due() is None
    assert await clinic.deliveries() == [("inventory", "pending", 0)]


async def test_a_handler_that_is_gone_is_a_dead_delivery_that_says_so(clinic):
    clinic.install("inventory", {"appointment.completed": consume})
    await clinic.complete()
    clinic.install("inventory", {})

    await clinic.dispatcher.drain()

    assert await clinic.rows("SELECT status, last_error FROM core_event_delivery") == [
        ("dead", "inventory does not have this handler any more")
    ]


async def test_uninstalling_closes_open_deliveries_with_the_reason(clinic):
    clinic.install("inventory", {"appointment.completed": consume})
    clinic.install("timeline", {"appointment.completed": consume})
    await clinic.complete()

    async with unit_of_work(database=clinic.database) as session:
        assert await outbox.close_deliveries(session, "inventory", "inventory was uninstalled") == 1

    assert await clinic.dispatcher.drain() == 1
    assert await clinic.rows("SELECT module_name, status, last_error FROM core_event_delivery ORDER BY id") == [
        ("inventory", "closed", "inventory was uninstalled"), ("timeline", "done", None)
    ]  # fmt: skip


async def test_next_due_tells_when_to_wake_and_ignores_what_waits_for_another(clinic):
    assert await clinic.dispatcher.next_due() is None
    appointment = uuid4()
    clinic.install("inventory", {"appointment.completed": fail})
    await clinic.complete(appointment)
    await clinic.complete(appointment)
    assert await clinic.dispatcher.next_due() <= datetime.now(UTC)

    await clinic.dispatcher.drain()

    assert await clinic.dispatcher.next_due() > datetime.now(UTC)


def test_delays_double_up_to_a_cap_with_jitter():
    delays = [outbox.delay_after(attempts).total_seconds() for attempts in range(1, 20)]
    assert all(0.75 * min(2.0**n, 3600) <= delay <= min(2.0**n, 3600) for n, delay in enumerate(delays, start=1))


async def test_old_events_go_and_what_is_open_or_dead_stays(clinic):
    clinic.install("inventory", {"appointment.completed": consume, "patient.created": fail})
    await clinic.complete()
    await clinic.publish("patient.created", patient_id=str(uuid4()))
    await clinic.dispatcher.drain()
    await clinic.rows("UPDATE core_event SET created_at = now() - interval '31 days'")
    await clinic.complete()

    async with unit_of_work(database=clinic.database) as session:
        assert await outbox.prune(session) == 1

    assert await clinic.rows("SELECT name FROM core_event ORDER BY id") == [("patient.created",), ("appointment.completed",)]


def _same_name(original, replacement):
    """The handler under the name its deliveries know, as after an upgrade that mended it."""

    async def handler(db, data):
        await replacement(db, data)

    handler.__module__, handler.__qualname__ = original.__module__, original.__qualname__
    return handler

"""Subscribing: handlers a module returns, handlers subscribed in code, and events a module declares."""

import functools
import logging
from typing import ClassVar
from uuid import uuid4

import pytest
from pydantic import BaseModel

from app.core.events import EventType, event_bus
from app.core.events.errors import EventDeclarationInvalid, EventNameUnknown, EventPayloadInvalid, HandlerSignature
from app.core.plugins.base import BaseModule
from app.core.plugins.manifest import Manifest
from app.core.plugins.registry import MountedModule, module_registry
from app.database import unit_of_work

from .conftest import effect


async def consume(db, data):
    await effect(db, data, "consumed")


async def consume_more(data, *, db):
    await effect(db, data, "consumed more")


@pytest.fixture(autouse=True)
def nothing_subscribed():
    yield
    event_bus.clear()


async def test_a_handler_subscribed_in_code_is_delivered_to_like_any_other(clinic):
    event_bus.subscribe(EventType.APPOINTMENT_COMPLETED, consume)
    event_bus.subscribe("appointment.completed", consume)
    event_bus.subscribe("appointment.completed", consume_more)

    await clinic.complete()
    assert await clinic.effects() == []
    await clinic.dispatcher.drain()

    assert await clinic.effects() == ["consumed", "consumed more"]
    assert [row[:2] for row in await clinic.deliveries()] == [("core", "done"), ("core", "done")]


async def test_unsubscribed_and_cleared_handlers_hear_nothing(clinic):
    event_bus.subscribe("appointment.completed", consume)
    event_bus.subscribe("appointment.completed", consume_more)
    event_bus.unsubscribe("appointment.completed", consume)
    await clinic.complete()
    event_bus.clear()
    await clinic.complete()
    await clinic.dispatcher.drain()

    assert await clinic.deliveries() == [("core", "dead", 1)], "what was published while somebody listened says why nobody hears it"


async def test_a_handler_subscribed_in_code_belongs_to_the_module_it_was_written_in(clinic):
    clinic.install("inventory", {})
    type(clinic.registry.get("inventory").module).__module__ = __name__
    event_bus.subscribe("appointment.completed", consume)

    await clinic.complete()

    assert await clinic.deliveries() == [("inventory", "pending", 0)]


async def test_a_handler_of_a_module_that_is_not_installed_does_not_exist(clinic):
    from app.modules.patients.events import publish_created

    async def of_patients(db, data):
        await effect(db, data, "should not happen")

    of_patients.__module__ = publish_created.__module__
    event_bus.subscribe("appointment.completed", of_patients)

    await clinic.complete()

    assert await clinic.deliveries() == []


async def test_handlers_of_one_name_are_told_apart_and_one_given_twice_counts_once(clinic):
    def make(what):
        async def handler(db, data):
            await effect(db, data, what)

        return handler

    clinic.install("inventory", {"appointment.completed": [make("one"), make("two"), consume, consume]})

    await clinic.complete()
    await clinic.dispatcher.drain()

    assert await clinic.effects() == ["one", "two", "consumed"]


async def test_a_partial_and_a_very_long_name_can_be_subscribed(clinic):
    async def handler(db, data, what):
        await effect(db, data, what)

    handler.__qualname__ = "deeply.nested." * 40
    clinic.install("inventory", {"appointment.completed": functools.partial(handler, what="by a partial")})

    await clinic.complete()
    await clinic.dispatcher.drain()

    assert await clinic.effects() == ["by a partial"]


@pytest.mark.parametrize("handler", ["not callable", None])
def test_what_cannot_be_called_is_refused_when_it_is_subscribed(handler):
    with pytest.raises(HandlerSignature, match=r"async def handler\(db, data\)"):
        event_bus.subscribe("appointment.completed", handler)


async def nothing():
    pass


def test_a_module_whose_handler_has_no_known_form_is_not_served(module, caplog):
    module.get_event_handlers = lambda self: {"patient.created": nothing}

    with caplog.at_level(logging.ERROR):
        assert mount(module) == []

    assert "installed but cannot be served" in caplog.text
    assert "event_handler_signature" in caplog.text or "takes none of the known forms" in caplog.text


class Restocked(BaseModel):
    item_id: str


@pytest.fixture
def module():
    class Inventory(BaseModule):
        manifest: ClassVar = {"name": "inventory", "version": "1.0.0"}

    return Inventory


def mount(module) -> list[str]:
    """What `mount` makes of a distribution that offers this module."""
    from app.core.plugins.registry import ModuleRegistry
    from app.core.runtime import mount as mounting

    class Found:
        def __init__(self):
            self.module, self.manifest = module(), Manifest.model_validate(module.manifest)

    registry = ModuleRegistry()
    mounting.mount_found({"inventory": Found()}, ["inventory"], registry)
    return [each.name for each in registry.active]


async def test_a_module_that_declares_its_events_is_held_to_them(clinic, module):
    module.get_events = lambda self: {"inventory.restocked": Restocked, "inventory.counted": None}
    clinic.registry.mount(MountedModule(module(), Manifest.model_validate(module.manifest)))

    await clinic.publish("inventory.restocked", item_id=str(uuid4()))
    await clinic.publish("inventory.counted")
    with pytest.raises(EventNameUnknown, match=r"without declaring it in get_events\(\)"):
        await clinic.publish("inventory.restoked")
    with pytest.raises(EventPayloadInvalid, match=r"item_id \(missing\)"):
        await clinic.publish("inventory.restocked")


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        ({"patient.created": None}, "core's catalogue already"),
        ({"billing.paid": None}, r"called inventory\.<action>"),
        ({"inventory.Restocked": None}, "lower snake case"),
        ({"inventory.restocked": dict}, "neither a Pydantic model"),
    ],
)
def test_a_wrong_declaration_is_refused_with_the_reason(module, declared, why):
    module.get_events = lambda self: declared

    with pytest.raises(EventDeclarationInvalid, match=why):
        _ = MountedModule(module(), Manifest.model_validate(module.manifest)).events


async def test_the_publishers_own_session_carries_the_event_when_it_is_given(clinic):
    """As modules of the public application do: `publish(name, payload, db=session)`, awaited or not."""
    clinic.install("inventory", {"appointment.completed": consume})
    payload = {"clinic_id": str(clinic.id), "appointment_id": str(uuid4())}

    async with clinic.database.session() as own:
        await event_bus.publish("appointment.completed", payload, db=own)
        event_bus.publish_sync("appointment.completed", payload, db=own)
        await own.commit_unit()
    async with unit_of_work(clinic.id, database=clinic.database) as session:
        event_bus.publish("appointment.completed", payload, db=session)
    async with clinic.database.session() as own:
        event_bus.publish("appointment.completed", payload, db=own)
        await own.rollback()

    assert await clinic.dispatcher.drain() == 3


async def test_a_name_nothing_can_store_is_refused_everywhere(clinic):
    event_bus.strict = False

    with pytest.raises(EventNameUnknown, match="longer than 120"):
        await clinic.publish("inventory." + "x" * 200)


def test_the_registry_of_this_process_is_the_buses():
    assert event_bus.registry is module_registry

"""Events: subscriptions to what exists, handlers that can be called and do not fall over (guide §9, "Event bus")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, get_args
from uuid import UUID, uuid4

from app.testing.clinics import TwoClinics
from app.testing.operations import ModuleOperations
from app.testing.outbox import Outbox

from .subject import Subject

if TYPE_CHECKING:
    import httpx2


def smallest_payload(event: str) -> dict[str, Any]:
    """A payload with what the catalogue promises for the event and nothing else; of a module's own event, nothing."""
    from app.core.events.types import CATALOGUE

    model = CATALOGUE.get(event)
    fields = model.model_fields if model is not None else {}
    return {name: _sample(field.annotation) for name, field in fields.items() if field.is_required() and name != "clinic_id"}


def _sample(annotation: Any) -> Any:
    from datetime import date, datetime
    from decimal import Decimal

    if type(None) in get_args(annotation):
        return None
    samples: Mapping[Any, Any] = {
        UUID: uuid4(),
        str: "x",
        int: 1,
        bool: True,
        float: 1.0,
        Decimal: Decimal("1.00"),
        datetime: "2026-11-21T10:00:00Z",
        date: "2026-11-21",
    }
    return samples.get(annotation, {})


def test_subscriptions_name_events_that_exist(subject: Subject) -> None:
    """The core's, its own, or those of a module it depends on."""
    from app.core.events.types import CATALOGUE

    known = {subject.name, *subject.manifest.depends}
    unknown = [event for event in subject.subscriptions if event not in CATALOGUE and event.partition(".")[0] not in known]

    assert unknown == []


def test_every_handler_can_be_called(subject: Subject) -> None:
    """`(db, data)`, `(data)` or `(data, *, db)`, told apart by the parameters' names."""
    asked = {str(event) for event in subject.module.get_event_handlers()}

    assert subject.subscriptions.keys() == asked


async def test_subscribed_events_are_handled(
    subject: Subject, outbox: Outbox, operations: ModuleOperations, two_clinics: TwoClinics
) -> None:
    """Also about a thing the module has never heard of: it may be older than the module. The other clinic stays as it is."""
    before = await subject.rows_of_clinic(operations, two_clinics.b.id)

    for event in subject.subscriptions:
        await outbox.publish(event, subject.payloads.get(event) or smallest_payload(event))
    await outbox.deliver()

    told = [(event, status) for event, module, status in await outbox.deliveries() if module == subject.name]
    # A handler may publish what another of the same module listens to.
    later = {event for event, handlers in subject.subscriptions.items() if not all(each.transactional for each in handlers)}
    assert {(event, "done") for event in later} == set(told)
    assert await subject.rows_of_clinic(operations, two_clinics.b.id) == before


async def test_events_the_module_did_not_subscribe_to_do_not_reach_it(subject: Subject, outbox: Outbox) -> None:
    from app.core.events.types import CATALOGUE

    for event in CATALOGUE.keys() - subject.subscriptions.keys():
        await outbox.publish(event, smallest_payload(event))
    await outbox.deliver()

    told = {event for event, module, _ in await outbox.deliveries() if module == subject.name}
    assert told <= subject.subscriptions.keys()


async def test_switched_off_its_events_wait_and_its_routes_say_so(
    subject: Subject, client: httpx2.AsyncClient, outbox: Outbox, two_clinics: TwoClinics
) -> None:
    """`dentalpin modules disable`: nothing is lost, and everything is back with `enable`."""
    from app.core.plugins.registry import module_registry

    later = [event for event, handlers in subject.subscriptions.items() if not all(each.transactional for each in handlers)]
    module_registry.set_disabled([subject.name])
    try:
        answers = {}
        for route in subject.routes:
            url = route.url(subject.name, uuid4())
            answers[route.name] = (await client.request(route.method, url, headers=two_clinics.a.headers, json=route.body)).status_code
        for event in later:
            await outbox.publish(event, subject.payloads.get(event) or smallest_payload(event))
        await outbox.deliver()
        waiting = [(event, status) for event, module, status in await outbox.deliveries() if module == subject.name]
    finally:
        module_registry.set_disabled([])
    await outbox.deliver()

    assert set(answers.values()) <= {404, 409}, answers
    assert sorted(waiting) == sorted((event, "pending") for event in later)
    assert {status for _, module, status in await outbox.deliveries() if module == subject.name} <= {"done"}

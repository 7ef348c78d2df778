"""Publishing: an outbox row in the publisher's own transaction, so that an event exists exactly if the change it tells of does."""

import logging
import sys
from collections.abc import Callable, Generator, Mapping
from typing import Any, Final
from uuid import UUID

import sqlalchemy.event
from pydantic import ValidationError
from pydantic_core import to_jsonable_python
from sqlalchemy import Connection, text

from app.core.plugins.registry import ModuleRegistry, module_registry
from app.database import NoUnitOfWork, UnitOfWork, current_unit

from .errors import EventNameUnknown, EventOfAnotherClinic, EventPayloadInvalid
from .models import Event, EventDelivery
from .types import CATALOGUE, NAME, EventType, entity_of

CHANNEL: Final = "core_event"
_NOTIFY: Final = text("SELECT pg_notify(:channel, '')")

logger = logging.getLogger(__name__)


class Published:
    """What `publish` returns: nothing to wait for, so that `await event_bus.publish(…)` works as well."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


_PUBLISHED: Final = Published()


class EventBus:
    """Publishes into the current unit of work. `strict` turns what production only warns of into errors; tests set it."""

    def __init__(self, registry: ModuleRegistry) -> None:
        self.registry = registry
        self.strict = False
        self._committed: list[Callable[[], None]] = []

    def publish(self, name: str | EventType, payload: Mapping[str, Any]) -> Published:
        """Tell the modules installed now that something happened; each of their handlers gets its own delivery after the commit.

        The payload is copied as JSON (UUIDs, times and decimals become text). The event belongs to the clinic of the unit of work, or where
        that has none (a hook, a job) to the payload's `clinic_id`. Raises NoUnitOfWork without an open unit of work, and
        EventOfAnotherClinic; an unknown name or a payload that lacks what the catalogue promises is an error only if `strict`.
        """
        event = str(name)
        unit = current_unit()
        if unit is None:
            raise NoUnitOfWork(f"Publishing {event}")
        self._check_name(event, sys._getframe(1).f_globals.get("__name__", ""))
        data: dict[str, Any] = to_jsonable_python(dict(payload))
        self._check_payload(event, data)
        self._record(unit, event, data)
        return _PUBLISHED

    def on_commit(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` whenever a unit of work that published has committed; returns the function that ends this."""
        self._committed.append(wake)
        return lambda: self._committed.remove(wake)

    @property
    def delivers_here(self) -> bool:
        """Whether a dispatcher of this process hears of commits by itself."""
        return bool(self._committed)

    def _record(self, unit: UnitOfWork, name: str, data: dict[str, Any]) -> None:
        clinic_id = _clinic_of(unit, name, data)
        entity = entity_of(name, data)
        event = Event(name=name, clinic_id=clinic_id, entity=entity, payload=data)
        event.deliveries = [
            EventDelivery(module_name=module, handler=handler, clinic_id=clinic_id, entity=entity)
            for module, handler, _ in self.registry.handlers_for(name)
        ]
        unit.session.add(event)
        if event.deliveries:
            unit.after_commit(self._wake)

    def _wake(self) -> None:
        for wake in tuple(self._committed):
            wake()

    def _check_name(self, name: str, caller: str) -> None:
        if name in CATALOGUE:
            return
        prefix = name.partition(".")[0]
        publisher = self._module_of(caller)
        known = {publisher} if publisher is not None else {module.name for module in self.registry.active}
        if NAME.fullmatch(name) and prefix in known:
            return
        expected = f"{publisher}.<action>" if publisher is not None else "<module>.<action>"
        self._object(
            EventNameUnknown(
                f"{name!r} is neither in the core's catalogue (app.core.events.EventType) nor {expected}; correct the name.", event=name
            )
        )

    def _module_of(self, caller: str) -> str | None:
        """The mounted module whose package the caller belongs to; None for the core, tests and scripts."""
        for mounted in self.registry.active:
            package = type(mounted.module).__module__
            if caller == package or caller.startswith(package + "."):
                return mounted.name
        return None

    def _check_payload(self, name: str, data: dict[str, Any]) -> None:
        model = CATALOGUE.get(name)
        if model is None:
            return
        try:
            model.model_validate(data)
        except ValidationError as error:
            # Neither input nor message: both may quote the payload.
            wrong = ", ".join(f"{'.'.join(map(str, item['loc']))} ({item['type']})" for item in error.errors(include_input=False))
            self._object(
                EventPayloadInvalid(f"The payload of {name} is not what {model.__name__} promises: {wrong}. Correct it.", event=name)
            )

    def _object(self, mistake: EventNameUnknown | EventPayloadInvalid) -> None:
        if self.strict:
            raise mistake
        # What was published is not lost for it; nobody may listen to it.
        logger.warning("%s", mistake)


def _clinic_of(unit: UnitOfWork, name: str, data: Mapping[str, Any]) -> UUID | None:
    given = data.get("clinic_id")
    try:
        named = None if given is None else UUID(str(given))
    except ValueError:
        named = None
    if unit.clinic_id is None:
        return named
    if named is not None and named != unit.clinic_id:
        raise EventOfAnotherClinic(name)
    return unit.clinic_id


event_bus: Final = EventBus(module_registry)
"""The bus of this process."""


@sqlalchemy.event.listens_for(Event, "after_insert")
def _notify(_: object, connection: Connection, event: Event) -> None:
    """Wake the dispatchers of other processes, unless one of this process takes care; PostgreSQL tells them at the commit."""
    if event.deliveries and not event_bus.delivers_here:
        connection.execute(_NOTIFY, {"channel": CHANNEL})

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
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.plugins.registry import ModuleRegistry, module_registry
from app.database import CLINIC, NoUnitOfWork, current_unit

from . import inside
from .declared import model_of
from .errors import EventNameUnknown, EventOfAnotherClinic, EventPayloadInvalid
from .handlers import Subscription, event_name
from .listening import Listeners
from .models import Event, EventDelivery
from .types import CATALOGUE, NAME, NAME_LENGTH, EventType, entity_of

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
        self._listeners = Listeners()
        self._committed: list[Callable[[], None]] = []

    def publish(self, name: str | EventType, payload: Mapping[str, Any] | None = None, *, db: AsyncSession | None = None) -> Published:
        """Tell the modules installed now that something happened; each of their handlers gets its own delivery after the commit.

        The payload is copied as JSON (UUIDs, times and decimals become text). The event belongs to the clinic of the unit of work, or where
        that has none (a hook, a job) to the payload's `clinic_id`. `db` is for who works in a session of their own: the event is then
        part of that session's transaction. Raises NoUnitOfWork without either, and EventOfAnotherClinic; an unknown name or a payload
        that lacks what the catalogue promises is an error only if `strict`.
        """
        return self._publish(name, payload, db, sys._getframe(1).f_globals.get("__name__", ""))

    def publish_sync(self, name: str | EventType, payload: Mapping[str, Any] | None = None, *, db: AsyncSession | None = None) -> Published:
        """The same as `publish`, under the name modules of the public application know."""
        return self._publish(name, payload, db, sys._getframe(1).f_globals.get("__name__", ""))

    def subscribe(self, name: str | EventType, handler: Callable[..., Any]) -> None:
        """Have `handler` hear an event for as long as the module it was written in is mounted.

        Modules return their handlers from `get_event_handlers()`; this is for what is only known at `on_activate()`.
        Raises HandlerSignature.
        """
        self._listeners.add(event_name(name), handler)

    def unsubscribe(self, name: str | EventType, handler: Callable[..., Any]) -> None:
        """Undo `subscribe`; what was published before is still delivered to nobody else, and ends as a dead letter that says so."""
        self._listeners.remove(event_name(name), handler)

    def clear(self) -> None:
        """Undo every `subscribe`. Handlers from `get_event_handlers()` stay."""
        self._listeners.clear()

    def on_commit(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` whenever a unit of work that published has committed; returns the function that ends this."""
        self._committed.append(wake)
        return lambda: self._committed.remove(wake)

    def subscriptions(self, event: str, registry: ModuleRegistry | None = None) -> list[Subscription]:
        """Everybody who hears an event now."""
        return self._listeners.of(event, self.registry if registry is None else registry)

    def listening_modules(self, registry: ModuleRegistry) -> list[str]:
        """The modules whose deliveries can be made in this process."""
        return self._listeners.modules(registry)

    @property
    def delivers_here(self) -> bool:
        """Whether a dispatcher of this process hears of commits by itself."""
        return bool(self._committed)

    def _publish(self, name: str | EventType, payload: Mapping[str, Any] | None, db: AsyncSession | None, caller: str) -> Published:
        event = event_name(name)
        unit = current_unit()
        session = db if db is not None else unit.session if unit is not None else None
        if session is None:
            raise NoUnitOfWork(f"Publishing {event}")
        self._check_name(event, caller)
        data: dict[str, Any] = to_jsonable_python(dict(payload or {}))
        self._check_payload(event, data)
        if self._record(session, event, data):
            if unit is not None and session is unit.session:
                unit.after_commit(self._wake)
            else:
                sqlalchemy.event.listen(session.sync_session, "after_commit", lambda _: self._wake(), once=True)
        return _PUBLISHED

    def _record(self, session: AsyncSession, name: str, data: dict[str, Any]) -> bool:
        """Whether there is anything to deliver after the commit."""
        clinic_id = _clinic_of(session.info.get(CLINIC), name, data)
        entity = entity_of(name, data)
        event = Event(name=name, clinic_id=clinic_id, entity=entity, payload=data)
        hearing = self.subscriptions(name)
        # A module that is switched off takes no part in others' transactions: its events wait like any other's.
        now = [each for each in hearing if each.transactional and not self.registry.is_disabled(each.module)]
        event.deliveries = [
            EventDelivery(module_name=each.module, handler=each.name, clinic_id=clinic_id, entity=entity)
            for each in hearing
            if each not in now
        ]
        session.add(event)
        for each in now:
            inside.before_commit(session, event, each)
        return bool(event.deliveries)

    def _wake(self) -> None:
        for wake in tuple(self._committed):
            wake()

    def _check_name(self, name: str, caller: str) -> None:
        if name in CATALOGUE:
            return
        if len(name) > NAME_LENGTH:
            raise EventNameUnknown(f"{name[:40]!r}… is longer than {NAME_LENGTH} characters; shorten the event's name.", event=name[:40])
        prefix = name.partition(".")[0]
        publisher = self.registry.owner_of(caller)
        if NAME.fullmatch(name) and prefix in ({publisher} if publisher is not None else {module.name for module in self.registry.active}):
            owner = self.registry.get(prefix)
            if owner is None or not owner.events or name in owner.events:
                return
            self._object(
                EventNameUnknown(
                    f"{prefix} publishes {name!r} without declaring it in get_events(); add it, or correct the name.", event=name
                )
            )
            return
        expected = f"{publisher}.<action>" if publisher is not None else "<module>.<action>"
        self._object(
            EventNameUnknown(
                f"{name!r} is neither in the core's catalogue (app.core.events.EventType) nor {expected}; correct the name.", event=name
            )
        )

    def _check_payload(self, name: str, data: dict[str, Any]) -> None:
        model = model_of(name, self.registry)
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


def _clinic_of(own: UUID | None, name: str, data: Mapping[str, Any]) -> UUID | None:
    given = data.get("clinic_id")
    try:
        named = None if given is None else UUID(str(given))
    except ValueError:
        named = None
    if own is None:
        return named
    if named is not None and named != own:
        raise EventOfAnotherClinic(name)
    return own


event_bus: Final = EventBus(module_registry)
"""The bus of this process."""


@sqlalchemy.event.listens_for(Event, "after_insert")
def _notify(_: object, connection: Connection, event: Event) -> None:
    """Wake the dispatchers of other processes, unless one of this process takes care; PostgreSQL tells them at the commit."""
    if event.deliveries and not event_bus.delivers_here:
        connection.execute(_NOTIFY, {"channel": CHANNEL})

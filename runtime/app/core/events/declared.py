"""Which events may be published: the core's catalogue, and what modules declare of their own (`BaseModule.get_events`)."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from .errors import EventDeclarationInvalid
from .handlers import event_name
from .types import CATALOGUE, NAME, NAME_LENGTH

if TYPE_CHECKING:
    from app.core.plugins.registry import ModuleRegistry

Model = type[BaseModel]


def declarations(module: str, given: Mapping[Any, Any]) -> dict[str, Model | None]:
    """What `get_events()` says, checked. Raises EventDeclarationInvalid."""
    found: dict[str, Model | None] = {}
    for event, model in given.items():
        name = event_name(event)
        if name in CATALOGUE:
            raise EventDeclarationInvalid(module, name, "it is in the core's catalogue already; leave it out")
        if not NAME.fullmatch(name) or len(name) > NAME_LENGTH or name.partition(".")[0] != module:
            raise EventDeclarationInvalid(module, name, f"a module's own events are called {module}.<action>, in lower snake case")
        if model is not None and not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise EventDeclarationInvalid(module, name, "its value is neither a Pydantic model of the payload nor None")
        found[name] = model
    return found


def known(registry: "ModuleRegistry") -> Iterator[tuple[str, str | None, Model | None]]:
    """(event, module that declares it or None for the core, payload model) of everything that may be published here."""
    for name, core_model in CATALOGUE.items():
        yield name, None, core_model
    for mounted in registry.active:
        for name, model in mounted.events.items():
            yield name, mounted.name, model


def model_of(event: str, registry: "ModuleRegistry") -> Model | None:
    """The model that promises what the event's payload holds."""
    if event in CATALOGUE:
        return CATALOGUE[event]
    owner = registry.get(event.partition(".")[0])
    return None if owner is None else owner.events.get(event)

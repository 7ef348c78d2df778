"""How a handler wants to be called, read from its parameters' names when it is subscribed, and what subscribing makes of it.

Known forms: `(db, data)` as in the module guide, `(data)` and `(data, *, db)` as modules of the public application have them.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .errors import HandlerSignature

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

_SESSION_NAMES: Final = frozenset({"db", "session"})
_TRANSACTIONAL: Final = "__dentalpin_transactional__"
_NAME_LENGTH: Final = 200
Invocation = Callable[["AsyncSession", dict[str, Any]], Awaitable[None]]
Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Subscription:
    """One handler of one module for one event. Its name is what deliveries know it by, so renaming a function gives up what is open."""

    module: str
    event: str
    name: str
    handler: Callable[..., Any] = field(repr=False)
    invoke: Invocation = field(repr=False)
    transactional: bool = False
    """Runs inside the publisher's transaction instead of after its commit."""


def transactional(handler: Handler) -> Handler:
    """Mark a handler that has to run inside the publisher's transaction, right before it commits.

    Whatever such a handler raises takes the publisher's change back, and the request that published fails with it: for rules that
    must hold at once, never for what may happen a moment later. It is not retried and has no delivery of its own.
    """
    setattr(handler, _TRANSACTIONAL, True)
    return handler


def subscriptions(module: str, handlers: Mapping[Any, Any]) -> dict[str, tuple[Subscription, ...]]:
    """What `get_event_handlers()` says, checked: {event: handlers}. Raises HandlerSignature for a handler of no known form."""
    found: dict[str, tuple[Subscription, ...]] = {}
    for event, value in handlers.items():
        name = event_name(event)
        callables = value if isinstance(value, list | tuple) else [value]
        found[name] = tuple(named(subscription(module, name, handler) for handler in callables))
    return found


def subscription(module: str, event: str, handler: Callable[..., Any]) -> Subscription:
    """Raises HandlerSignature."""
    if not callable(handler):
        raise HandlerSignature(f"of {event}", f" = {type(handler).__name__}")
    return Subscription(module, event, _name_of(handler), handler, invocation_of(handler), bool(getattr(handler, _TRANSACTIONAL, False)))


def named(given: Iterable[Subscription]) -> list[Subscription]:
    """The subscriptions without repetitions; two functions of one name (closures of one factory) are told apart by their place."""
    kept: list[Subscription] = []
    for each in given:
        if any(each.handler == other.handler for other in kept):
            continue
        same = sum(other.name.partition("#")[0] == each.name for other in kept)
        name = f"{each.name}#{same + 1}" if same else each.name
        kept.append(Subscription(each.module, each.event, name, each.handler, each.invoke, each.transactional))
    return kept


def event_name(event: Any) -> str:
    """The name itself, also of a member of somebody's own enumeration."""
    return str(event.value if isinstance(event, Enum) else event)


def origin_of(handler: Callable[..., Any]) -> str:
    """The Python module the handler was written in."""
    function = _function(handler)
    return str(getattr(function, "__module__", None) or type(function).__module__)


def _function(handler: Any) -> Any:
    while (inner := getattr(handler, "func", None)) is not None and callable(inner):
        handler = inner
    return handler


def _name_of(handler: Callable[..., Any]) -> str:
    function = _function(handler)
    name = f"{origin_of(handler)}.{getattr(function, '__qualname__', type(function).__qualname__)}"
    if len(name) > _NAME_LENGTH - 4:
        name = f"{name[: _NAME_LENGTH - 21]}~{sha256(name.encode()).hexdigest()[:16]}"
    return name


def _is_given(parameter: inspect.Parameter) -> bool:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        return False
    return parameter.default is parameter.empty or parameter.name in _SESSION_NAMES


@lru_cache(maxsize=1024)
def invocation_of(handler: Callable[..., Any]) -> Invocation:
    """A function `(session, payload)` that calls `handler` the way it is written. Raises HandlerSignature."""
    signature = inspect.signature(handler)
    given = [parameter for parameter in signature.parameters.values() if _is_given(parameter)]
    sessions = [parameter for parameter in given if parameter.name in _SESSION_NAMES]
    others = [parameter for parameter in given if parameter.name not in _SESSION_NAMES]
    if len(sessions) > 1 or len(others) != 1 or others[0].kind is inspect.Parameter.KEYWORD_ONLY:
        raise HandlerSignature(_name_of(handler), str(signature))
    session = sessions[0] if sessions else None
    first = session is not None and session.kind is not inspect.Parameter.KEYWORD_ONLY and given[0] is session

    async def invoke(db: "AsyncSession", data: dict[str, Any]) -> None:
        if session is None:
            result = handler(data)
        elif first:
            result = handler(db, data)
        else:
            result = handler(data, **{session.name: db})
        if inspect.isawaitable(result):
            await result

    return invoke

"""How a handler wants to be called, read from its parameters' names once per function.

Known forms: `(db, data)` as in the module guide, `(data)` and `(data, *, db)` as modules of the public application have them.
"""

import inspect
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from .errors import HandlerSignature

_SESSION_NAMES = frozenset({"db", "session"})
Invocation = Callable[[AsyncSession, dict[str, Any]], Awaitable[None]]


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
        raise HandlerSignature(f"{handler.__module__}.{getattr(handler, '__qualname__', handler)}", str(signature))
    session = sessions[0] if sessions else None
    first = session is not None and session.kind is not inspect.Parameter.KEYWORD_ONLY and given[0] is session

    async def invoke(db: AsyncSession, data: dict[str, Any]) -> None:
        if session is None:
            result = handler(data)
        elif first:
            result = handler(db, data)
        else:
            result = handler(data, **{session.name: db})
        if inspect.isawaitable(result):
            await result

    return invoke

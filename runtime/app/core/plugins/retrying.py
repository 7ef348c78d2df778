"""Whole transactions again, as long as all that stops them is somebody else's lock."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from sqlalchemy.exc import DBAPIError

logger = logging.getLogger(__name__)
T = TypeVar("T")

LOCK_TRIES: Final = 6
_TEMPORARY: Final = frozenset({"55P03", "40P01", "40001"})
"""Lock not available, deadlock, serialisation failure."""


async def retried(name: str, work: Callable[[], Awaitable[T]]) -> T:
    """What `work` returns. Raises what it raises, temporary trouble only at the last try."""
    for attempt in range(1, LOCK_TRIES):
        try:
            return await work()
        except Exception as error:
            if not is_temporary(error):
                raise
            logger.info("%s: a lock was not available, trying again (%d of %d)", name, attempt, LOCK_TRIES)
            await asyncio.sleep(random.uniform(0.1, 0.5) * attempt)  # noqa: S311  jitter, no secret
    return await work()


def is_temporary(error: BaseException | None) -> bool:
    """Whether the error, or what it was raised from, is PostgreSQL asking to try again."""
    while error is not None:
        if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _TEMPORARY:
            return True
        error = error.__cause__
    return False

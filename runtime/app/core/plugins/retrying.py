"""Trying again: whole transactions at once as long as all that stops them is somebody else's lock, failed operations at later starts."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Self, TypeVar

from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from app.config import Settings

    from .models import ModuleRecord

logger = logging.getLogger(__name__)
T = TypeVar("T")

LOCK_TRIES: Final = 6
_TEMPORARY: Final = frozenset({"55P03", "40P01", "40001"})
"""Lock not available, deadlock, serialisation failure."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a module's operation may wait and take, and how often it is tried. Times in seconds."""

    attempts: int = 5
    """Failed attempts, crashes included, before a module rests until a person, another package or another revision asks again."""
    lock_timeout: float = 3.0
    statement_timeout: float = 1800.0
    """0: no limit."""
    pauses: tuple[float, ...] = (0, 30, 120, 600)
    """After the first failed attempt, the second, and so on; the last one for all that follow."""

    @classmethod
    def of(cls, settings: "Settings") -> Self:
        return cls(settings.module_attempts, settings.migration_lock_timeout, settings.migration_statement_timeout)

    def next_attempt(self, attempt: int, now: datetime) -> datetime | None:
        """When to try again after this many failed attempts; None when it is not by itself."""
        if attempt >= self.attempts:
            return None
        return now + timedelta(seconds=self.pauses[min(attempt, len(self.pauses)) - 1])

    def rests(self, record: "ModuleRecord", now: datetime) -> str | None:
        """Why the module is not tried at this start, and what brings the next attempt; None if it is tried."""
        said = record.error_message or "nothing, the process died"
        if record.attempts >= self.attempts:
            return (
                f"{record.name} rests after {record.attempts} failed attempts; the last said: {said}. "
                f"Correct the cause, then run `dentalpin modules retry {record.name}`."
            )
        if record.next_attempt_at is not None and record.next_attempt_at > now:
            return (
                f"Attempt {record.attempts} of {self.attempts} failed: {said}. It is tried again at the first start after "
                f"{record.next_attempt_at:%Y-%m-%d %H:%M:%S} UTC, or with `dentalpin modules retry {record.name}`."
            )
        return None

    def settings_sql(self, *, local: bool = True) -> str:
        """The statement that sets the timeouts for a transaction, or for a connection in autocommit."""
        limits = {"lock_timeout": self.lock_timeout, "statement_timeout": self.statement_timeout}
        calls = [f"set_config('{name}', '{round(seconds * 1000)}ms', {str(local).lower()})" for name, seconds in limits.items()]
        return f"SELECT {', '.join(calls)}"


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

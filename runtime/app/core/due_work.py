"""Taking up what is due, again and again: the loop under the delivery of events and under jobs."""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from dentalpin_kit.problems import DomainError

logger = logging.getLogger(__name__)

OUTAGE_PAUSE = timedelta(seconds=5)
"""How long to wait before asking a database again that was away."""


class LostClaim(Exception):
    """What was claimed was finished by somebody else meanwhile; what was done for it here is rolled back."""


class DueWork:
    """What any number of workers in this process take up when it is due, and between which they rest."""

    def __init__(
        self,
        what: str,
        take_up: Callable[[], Awaitable[object]],
        next_due: Callable[[], Awaitable[datetime | None]],
        *,
        poll: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        """`what`: a sentence for the log (`events are delivered`). `take_up` does everything that is due; `next_due` says when the next is,
        by the clock `now`. `poll`: the longest rest where nothing wakes the workers."""
        self._what = what
        self._take_up = take_up
        self._next_due = next_due
        self._poll = poll.total_seconds()
        self._now = now
        self._resting: set[asyncio.Event] = set()

    def wake(self) -> None:
        """Look for what is due now."""
        for woken in self._resting:
            woken.set()

    async def work(self) -> None:
        """One worker, until cancelled."""
        woken = asyncio.Event()
        self._resting.add(woken)
        while True:
            woken.clear()
            try:
                await self._take_up()
                seconds = await self._seconds_to_rest()
            except Exception as error:
                # The loop's outer edge: the database is away. What is due stays due.
                logger.warning("interrupted: %s; tried again shortly: %s", self._what, describe(error))
                seconds = OUTAGE_PAUSE.total_seconds()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await woken.wait()

    async def _seconds_to_rest(self) -> float:
        due = await self._next_due()
        # Not at once, even if something is due: then another worker has it.
        return self._poll if due is None else min(self._poll, max((due - self._now()).total_seconds(), 1.0))


def describe(error: BaseException) -> str:
    """Types, places and names of constraints: nothing an exception's message may have quoted from a payload or a row."""
    chain: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(chain) < 4:
        chain.append(_name(cause))
        cause = cause.__cause__
    frames = traceback.extract_tb(error.__traceback__)
    # The last places in somebody's own code say more than those inside a library.
    own = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    places = " > ".join(f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno} {frame.name}" for frame in own[-2:])
    return f"{' <- '.join(chain)} at {places}" if places else " <- ".join(chain)


def _name(error: BaseException) -> str:
    name = type(error).__qualname__
    if isinstance(error, DomainError):
        return f"{name} ({error.code})"
    driver = error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig is not None else error
    facts = [getattr(driver, fact, None) for fact in ("sqlstate", "table_name", "constraint_name")]
    known = ", ".join(str(fact) for fact in facts if fact)
    return f"{name} ({known})" if known else name

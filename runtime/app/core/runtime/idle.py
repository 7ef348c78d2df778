"""When a process may leave: nothing asked of it, nothing connected, nothing due, nothing running, for a while."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

SOON: Final = timedelta(seconds=5)
"""A delivery or a job due sooner than this is waited for: leaving and waking would cost more."""

Question = Callable[[], Awaitable[datetime | None]]


async def earliest(*questions: Question) -> datetime | None:
    """The first of the moments at which something is due; None if nothing ever is."""
    moments = [moment for question in questions if (moment := await question()) is not None]
    return min(moments, default=None)


@dataclass
class IdleWatch:
    """Decides on readings it is given; `run()` takes them. Times are seconds of a monotonic clock."""

    after: float
    connections: Callable[[], int]
    requests: Callable[[], int]
    working: Callable[[], bool]
    next_due: Question
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    _seen: int = 0
    _quiet_since: float | None = None

    async def idle_at(self, moment: float) -> bool:
        """Whether, at this moment, the process has been without work for long enough."""
        requests = self.requests()
        if self._quiet_since is None or requests != self._seen or self.connections() or self.working():
            self._seen, self._quiet_since = requests, moment
            return False
        if moment - self._quiet_since < self.after:
            return False
        due = await self.next_due()
        if due is not None and due - self.now() < SOON:
            self._quiet_since = moment
            return False
        return True

    async def run(self) -> None:
        """Return once the process is idle."""
        loop = asyncio.get_running_loop()
        pause = max(0.05, min(1.0, self.after / 4))
        while True:
            if await self.idle_at(loop.time()):
                return
            await asyncio.sleep(pause)

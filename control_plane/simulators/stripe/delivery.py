"""Webhooks: signed as the provider signs them, repeated until taken, and, where a test asks for it, doubled, reordered or late."""

import asyncio
import heapq
import itertools
import json
import logging
import random
from dataclasses import dataclass, field
from typing import Final

import httpx2
import stripe

from control_plane.simulators.stripe.book import Book, Object, public

log = logging.getLogger(__name__)

_PAUSES: Final = (1.0, 5.0, 30.0, 120.0, 600.0, 3600.0)
"""Seconds between attempts; the provider's own grow over three days."""
_TIMEOUT: Final = 10.0


@dataclass(frozen=True)
class Faults:
    """What may befall a delivery, by a fixed seed."""

    duplicate: float = 0.0
    """Probability that an event is delivered twice."""
    reorder: int = 0
    """Over how many neighbours an event may be moved."""
    lose: float = 0.0
    """Probability that the first attempt never arrives."""
    seed: int = 0


@dataclass(order=True)
class _Attempt:
    at: float
    number: int
    endpoint: Object = field(compare=False)
    event: Object = field(compare=False)
    tried: int = field(compare=False, default=0)


class Delivery:
    """Events of one account on their way to its endpoints. With `manual` they wait for `deliver_all`."""

    def __init__(self, book: Book, *, manual: bool = False, faults: Faults | None = None) -> None:
        self._book = book
        self._manual = manual
        self.faults = faults or Faults()
        self._waiting: list[_Attempt] = []
        self._numbers = itertools.count()
        self._wake = asyncio.Event()
        self._client = httpx2.AsyncClient(timeout=_TIMEOUT)
        book.on_event = self.enqueue

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def enqueue(self, event: Object) -> None:
        for endpoint in self._book.all("webhook_endpoint"):
            wanted = endpoint["enabled_events"]
            if endpoint["status"] == "enabled" and ("*" in wanted or event["type"] in wanted):
                event["pending_webhooks"] += 1
                heapq.heappush(self._waiting, _Attempt(0.0, next(self._numbers), endpoint, event))
        self._wake.set()

    def resend(self, event: Object) -> None:
        self.enqueue(event)

    async def run(self) -> None:
        """Deliver until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            pause = None
            if self._waiting and not self._manual:
                pause = self._waiting[0].at - loop.time()
                if pause <= 0:
                    await self._attempt(heapq.heappop(self._waiting), loop.time())
                    continue
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def deliver_all(self) -> int:
        """Deliver what waits, faults included, what is refused once more, and return how many requests that took."""
        sent = 0
        for attempt in self._shuffled():
            sent += 1
            await self._attempt(attempt, 0.0)
        return sent

    def _shuffled(self) -> list[_Attempt]:
        chance = random.Random(f"{self.faults.seed}:{self._numbers}")  # noqa: S311  a test's faults are no secret
        taken, self._waiting = sorted(self._waiting), []
        order: list[tuple[float, _Attempt]] = []
        for position, attempt in enumerate(taken):
            if chance.random() < self.faults.lose and attempt.tried == 0:
                attempt.tried += 1
                heapq.heappush(self._waiting, attempt)
                continue
            copies = 2 if chance.random() < self.faults.duplicate else 1
            order += [(position + chance.uniform(0, self.faults.reorder), attempt) for _ in range(copies)]
        return [attempt for _, attempt in sorted(order, key=lambda one: one[0])]

    async def _attempt(self, attempt: _Attempt, now: float) -> None:
        body = json.dumps(public(attempt.event), separators=(",", ":"))
        header = stripe.WebhookSignature.generate_signature_header(body, attempt.endpoint["_secret"])
        try:
            answer = await self._client.post(
                attempt.endpoint["url"], content=body, headers={"stripe-signature": header, "content-type": "application/json"}
            )
            taken = answer.is_success
            why = str(answer.status_code)
        except httpx2.HTTPError as error:
            taken, why = False, type(error).__name__
        if taken:
            attempt.event["pending_webhooks"] = max(0, attempt.event["pending_webhooks"] - 1)
            return
        log.info("webhook %s was not taken: %s", attempt.event["type"], why)
        if attempt.tried < len(_PAUSES):
            attempt.at, attempt.tried = now + _PAUSES[attempt.tried], attempt.tried + 1
            heapq.heappush(self._waiting, attempt)

"""How often somebody may try a password: failures are counted per account and per peer address, in bounded memory.

The peer is the connection's other end, never a header, which a client can write itself. Counts are of this process and short-lived:
they slow guessing down, and nobody is locked out for longer than a window.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from .errors import TooManyAttempts


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `failures` within `seconds`."""

    failures: int
    seconds: int


PAIR = Limit(5, 5 * 60)
"""One account from one address: a person who forgot the password."""
ACCOUNT = Limit(20, 15 * 60)
"""One account from everywhere: guessing spread over many addresses."""
PEER = Limit(60, 15 * 60)
"""One address at many accounts; a whole clinic may sit behind it."""


@dataclass(slots=True)
class _Count:
    failures: int = 0
    window_ends: float = 0.0


@dataclass
class LoginThrottle:
    """Remembers the most recent `capacity` keys; the oldest are forgotten first."""

    clock: Callable[[], float] = time.monotonic
    capacity: int = 20_000
    _counts: OrderedDict[tuple[str, ...], _Count] = field(default_factory=OrderedDict)

    def check(self, account: str, peer: str) -> None:
        """Raises TooManyAttempts if this account or this address has to wait; called before the password is looked at."""
        now = self.clock()
        waits = [
            count.window_ends - now
            for key, limit in _keys(account, peer)
            if (count := self._counts.get(key)) and count.window_ends > now and count.failures >= limit.failures
        ]
        if waits:
            raise TooManyAttempts(int(max(waits)) + 1)

    def failed(self, account: str, peer: str) -> None:
        now = self.clock()
        for key, limit in _keys(account, peer):
            count = self._counts.setdefault(key, _Count())
            self._counts.move_to_end(key)
            if count.window_ends <= now:
                count.failures, count.window_ends = 0, now + limit.seconds
            count.failures += 1
        while len(self._counts) > self.capacity:
            self._counts.popitem(last=False)

    def succeeded(self, account: str, peer: str) -> None:
        """Forget the account's failures; the address keeps its own, or one known account would open the way to guess at others."""
        for key, limit in _keys(account, peer):
            if limit is not PEER:
                self._counts.pop(key, None)


def _keys(account: str, peer: str) -> tuple[tuple[tuple[str, ...], Limit], ...]:
    return ((("pair", account, peer), PAIR), (("account", account), ACCOUNT), (("peer", peer), PEER))

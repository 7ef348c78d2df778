"""How often something may be tried: counted in the database, so that all processes share the count, and by the platform's clock.

Attempts to sign in are counted before the password is looked at, in a transaction of their own. Peers are the other ends of connections,
never what a header says unless a trusted proxy wrote it. Requests of a caller are counted in lots: a process takes a lot of them from the
window at a time, so that the limit holds over all processes and few requests write.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Final

from sqlalchemy import text

from control_plane.access.errors import TooManyAttempts, TooManyRequests
from control_plane.database import Database


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` within `window`."""

    name: str
    most: int
    window: timedelta
    forgiven: bool = True
    """Whether a success clears the count."""


PAIR: Final = Limit("pair", 5, timedelta(minutes=5))
"""One account from one address: a person who forgot the password."""
ACCOUNT: Final = Limit("account", 20, timedelta(minutes=15))
"""One account from everywhere: guessing spread over many addresses."""
PEER: Final = Limit("peer", 60, timedelta(minutes=15), forgiven=False)
"""One address at many accounts."""
CODE: Final = Limit("code", 5, timedelta(minutes=5))
TOKEN: Final = Limit("token", 30, timedelta(minutes=15), forgiven=False)
"""Links and returns from the identity provider, tried by one address."""
LOTS: Final = 20
"""Lots a window is cut into."""

_COUNT: Final = text(
    """
    INSERT INTO attempts AS tried (key, count, window_ends) VALUES (:key, :more, :ends)
    ON CONFLICT (key) DO UPDATE SET
        count = CASE WHEN tried.window_ends > :now THEN least(tried.count + :more, 1000000000) ELSE :more END,
        window_ends = CASE WHEN tried.window_ends > :now THEN tried.window_ends ELSE excluded.window_ends END
    RETURNING count, window_ends
    """
)


@dataclass(frozen=True, slots=True)
class Bucket:
    limit: Limit
    key: str


def bucket(limit: Limit, *parts: str) -> Bucket:
    return Bucket(limit, hashlib.sha256("\0".join((limit.name, *parts)).encode()).hexdigest())


def of_sign_in(email: str, peer: str) -> tuple[Bucket, ...]:
    near = neighbourhood(peer)
    return (bucket(PAIR, email, near), bucket(ACCOUNT, email), bucket(PEER, near))


async def attempt(database: Database, buckets: Sequence[Bucket], *, at: datetime) -> None:
    """Count an attempt in each, and keep it whatever becomes of it. Raises TooManyAttempts."""
    wait = 0.0
    async with database.transaction() as session:
        for one in sorted(buckets, key=lambda each: each.key):
            values = {"key": one.key, "more": 1, "now": at, "ends": at + one.limit.window}
            count, ends = (await session.execute(_COUNT, values)).one()
            if count > one.limit.most:
                wait = max(wait, (ends - at).total_seconds())
    if wait:
        raise TooManyAttempts(int(wait) + 1)


async def succeeded(database: Database, buckets: Sequence[Bucket]) -> None:
    async with database.transaction() as session:
        keys = [one.key for one in buckets if one.limit.forgiven]
        await session.execute(text("DELETE FROM attempts WHERE key = ANY(:keys)"), {"keys": keys})


@dataclass
class _Lot:
    left: int
    ends: datetime


class Requests:
    """Counts the requests of each caller in this process, a lot at a time."""

    def __init__(self, database: Database, per_minute: int) -> None:
        self._database = database
        self._limit = Limit("requests", per_minute, timedelta(minutes=1))
        self._size = max(1, per_minute // LOTS)
        self._lots: dict[str, _Lot] = {}

    async def count(self, caller: str, *, at: datetime) -> None:
        """One more request of this caller. Raises TooManyRequests."""
        lot = self._lots.get(caller)
        if lot is None or lot.ends <= at:
            self._lots = {name: kept for name, kept in self._lots.items() if kept.ends > at}
            lot = await self._take(caller, at)
        elif lot.left == 0:
            lot = await self._take(caller, at)
        if lot.left <= 0:
            raise TooManyRequests(int((lot.ends - at).total_seconds()) + 1)
        lot.left -= 1

    async def _take(self, caller: str, at: datetime) -> _Lot:
        values = {"key": bucket(self._limit, caller).key, "more": self._size, "now": at, "ends": at + self._limit.window}
        async with self._database.transaction() as session:
            taken, ends = (await session.execute(_COUNT, values)).one()
        lot = _Lot(max(0, min(self._size, self._limit.most - (taken - self._size))), ends)
        self._lots[caller] = lot
        return lot


def neighbourhood(peer: str) -> str:
    """What one customer of a provider is given: an IPv4 address, or the first 64 bits of an IPv6 one."""
    try:
        address = ip_address(peer)
    except ValueError:
        return peer
    return str(ip_network((address, 64), strict=False)) if address.version == 6 else str(address)

"""How often something may be tried: attempts are counted in the database, so that all processes of a clinic share the count.

Counted before the password is looked at, in a transaction of its own, so that many guesses at once are many attempts. Peers are addresses
nobody can forge (`peer_of`). Keys are digests: this is no list of who tried to sign in. Windows are fixed, so that nobody is locked out
for longer than one.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Final

from sqlalchemy import text

from app.database import unit_of_work

from .errors import TooManyAttempts


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `attempts` within `seconds`."""

    name: str
    attempts: int
    seconds: int
    forgiven: bool = True
    """Whether a success clears the count; else it takes back its own attempt only."""


PAIR: Final = Limit("pair", 5, 5 * 60)
"""One account from one address: a person who forgot the password."""
ACCOUNT: Final = Limit("account", 20, 15 * 60)
"""One account from everywhere: guessing spread over many addresses."""
PEER: Final = Limit("peer", 60, 15 * 60, forgiven=False)
"""One address at many accounts; a whole clinic may sit behind it. One known account must not open the way to guess at others."""
CODE: Final = Limit("code", 5, 5 * 60)
CODE_SLOW: Final = Limit("code slow", 20, 60 * 60)
"""Codes have six digits and three are valid at a time: at this rate a year of guessing finds one with a probability of about a half."""
MAIL: Final = Limit("mail", 3, 60 * 60, forgiven=False)
"""Mails to one address, which may belong to somebody who did not ask for them."""
MAIL_PEER: Final = Limit("mail peer", 20, 60 * 60, forgiven=False)
LINK: Final = Limit("link", 60, 15 * 60, forgiven=False)
"""Links tried by one address."""


@dataclass(frozen=True, slots=True)
class Bucket:
    limit: Limit
    key: str


_FULL: Final = text(
    """
    SELECT ceil(extract(epoch FROM max(tried.window_ends - now())))::int
    FROM unnest(CAST(:keys AS text[]), CAST(:most AS int[])) AS asked (key, most)
    JOIN sign_in_attempts tried ON tried.key = asked.key AND tried.attempts >= asked.most AND tried.window_ends > now()
    """
)
# In the order of the keys, or two requests of one account wait for each other.
_COUNT: Final = text(
    """
    INSERT INTO sign_in_attempts AS tried (key, attempts, window_ends)
    SELECT key, 1, now() + make_interval(secs => seconds)
    FROM unnest(CAST(:keys AS text[]), CAST(:seconds AS int[])) AS asked (key, seconds) ORDER BY key
    ON CONFLICT (key) DO UPDATE SET
        attempts = CASE WHEN tried.window_ends > now() THEN least(tried.attempts + 1, 1000000) ELSE 1 END,
        window_ends = CASE WHEN tried.window_ends > now() THEN tried.window_ends ELSE excluded.window_ends END
    RETURNING key, attempts, ceil(extract(epoch FROM tried.window_ends - now()))::int
    """
)
_FORGET: Final = text("DELETE FROM sign_in_attempts WHERE key = ANY(:keys)")
_TAKE_BACK: Final = text("UPDATE sign_in_attempts SET attempts = greatest(attempts - 1, 0) WHERE key = ANY(:keys)")


class Throttle:
    """Counts attempts under digests made with `secret`."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def bucket(self, limit: Limit, *parts: str) -> Bucket:
        what = "\0".join((limit.name, *parts))
        return Bucket(limit, hmac.digest(self._secret, what.encode(), hashlib.sha256).hex())

    def of_sign_in(self, account: str, peer: str) -> tuple[Bucket, ...]:
        near = neighbourhood(peer)
        return (self.bucket(PAIR, account, near), self.bucket(ACCOUNT, account), self.bucket(PEER, near))

    async def attempt(self, buckets: Sequence[Bucket]) -> None:
        """Count an attempt in each. Raises TooManyAttempts, and does not count, where one is full."""
        keys = [bucket.key for bucket in buckets]
        async with unit_of_work() as session:
            wait = await session.scalar(_FULL, {"keys": keys, "most": [bucket.limit.attempts for bucket in buckets]})
            if wait is None:
                counted = await session.execute(_COUNT, {"keys": keys, "seconds": [bucket.limit.seconds for bucket in buckets]})
                most = {bucket.key: bucket.limit.attempts for bucket in buckets}
                # Of several at once, those beyond the limit are seen here only.
                wait = max((seconds for key, attempts, seconds in counted if attempts > most[key]), default=None)
        if wait is not None:
            raise TooManyAttempts(max(1, wait))

    async def succeeded(self, buckets: Sequence[Bucket]) -> None:
        async with unit_of_work() as session:
            for statement, forgiven in ((_FORGET, True), (_TAKE_BACK, False)):
                if keys := sorted(bucket.key for bucket in buckets if bucket.limit.forgiven is forgiven):
                    await session.execute(statement, {"keys": keys})


def neighbourhood(peer: str) -> str:
    """What one customer of a provider is given: an IPv4 address, or the first 64 bits of an IPv6 one."""
    try:
        address = ip_address(peer)
    except ValueError:
        return peer
    return str(ip_network((address, 64), strict=False)) if address.version == 6 else str(address)

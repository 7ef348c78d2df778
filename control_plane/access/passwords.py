"""Passwords of accounts: argon2id (RFC 9106's second choice), computed in threads, as many at once as memory bears."""

from functools import cache, cached_property
from typing import Final

from anyio import CapacityLimiter, to_thread
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from control_plane.access.errors import PasswordTooWeak

MINIMUM: Final = 12
MAXIMUM: Final = 256
_AT_ONCE: Final = 2


class Passwords:
    def __init__(self, *, memory_kib: int = 64 * 1024, rounds: int = 3) -> None:
        self._hasher = PasswordHash((Argon2Hasher(memory_cost=memory_kib, time_cost=rounds, parallelism=4),))
        self._nobody = cache(lambda: self._hasher.hash("nobody has this password"))

    @cached_property
    def _limiter(self) -> CapacityLimiter:
        return CapacityLimiter(_AT_ONCE)

    async def hash(self, password: str) -> str:
        return await to_thread.run_sync(self._hasher.hash, password, limiter=self._limiter)

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Whether it is the password. Without a hash (no such person) it takes as long, so that addresses cannot be tried out."""
        given = password if len(password) <= MAXIMUM else ""
        valid = await to_thread.run_sync(lambda: self._hasher.verify(given, hashed or self._nobody()), limiter=self._limiter)
        return valid and hashed is not None


def check_strength(password: str, email: str) -> None:
    """Raises PasswordTooWeak. Length counts; rules about kinds of characters only make people write it down (NIST SP 800-63B)."""
    folded = password.casefold()
    if not MINIMUM <= len(password) <= MAXIMUM or len(set(folded)) < 5 or email.split("@")[0].casefold() == folded.rstrip("0123456789!."):
        raise PasswordTooWeak(MINIMUM, MAXIMUM)

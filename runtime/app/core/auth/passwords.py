"""Passwords: argon2id, computed in threads so that signing in never holds up the event loop."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeVar

from anyio import Semaphore, to_thread

from .errors import PasswordTooWeak

if TYPE_CHECKING:
    from pwdlib import PasswordHash

T = TypeVar("T")

MINIMUM_LENGTH: Final = 10
MAXIMUM_LENGTH: Final = 256
_AT_ONCE: Final = 2
"""Each computation takes 64 MiB; more of them than cores only takes memory."""
_COMMON: Final = ("password", "contraseña", "passwort", "motdepasse", "qwertyuiop", "1234567890", "0123456789", "dentalpin", "iloveyou")


class Passwords:
    """Hashes and verifies. The defaults are RFC 9106's second choice; tests take cheaper ones."""

    def __init__(self, *, memory_kib: int = 64 * 1024, rounds: int = 3, lanes: int = 4) -> None:
        self._parameters = (memory_kib, rounds, lanes)

    @cached_property
    def _hasher(self) -> "PasswordHash":
        # Imported with the first password: a runtime that wakes for a patient list should not wait for it.
        from pwdlib import PasswordHash
        from pwdlib.hashers.argon2 import Argon2Hasher

        memory, rounds, lanes = self._parameters
        return PasswordHash((Argon2Hasher(memory_cost=memory, time_cost=rounds, parallelism=lanes),))

    @cached_property
    def _dummy(self) -> str:
        return self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        return await self._in_thread(lambda: self._hasher.hash(password))

    async def verify(self, password: str, hashed: str | None) -> tuple[bool, str | None]:
        """Whether it is the password, and a new hash when the stored one was made with other parameters.

        None as hash (no such person, or no password yet) takes as long as a wrong password, so that addresses cannot be tried out.
        """
        if len(password) > MAXIMUM_LENGTH:
            password = ""
        valid, renewed = await self._in_thread(lambda: self._hasher.verify_and_update(password, hashed or self._dummy))
        return (valid, renewed) if hashed is not None else (False, None)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        async with self._limiter:
            return await to_thread.run_sync(work)

    @cached_property
    def _limiter(self) -> Semaphore:
        return Semaphore(_AT_ONCE)


def check_strength(password: str, email: str) -> None:
    """Raises PasswordTooWeak. Length counts; rules about kinds of characters only make people write it down (NIST SP 800-63B)."""
    if len(password) < MINIMUM_LENGTH:
        raise PasswordTooWeak(f"Choose a password of at least {MINIMUM_LENGTH} characters; a few words together are easy to remember.")
    if len(password) > MAXIMUM_LENGTH:
        raise PasswordTooWeak(f"Choose a password of at most {MAXIMUM_LENGTH} characters.")
    folded = password.casefold()
    guessable = (
        len(set(folded)) < 4 or folded == email.casefold() or folded.rstrip("0123456789!.") in (*_COMMON, email.split("@")[0].casefold())
    )
    if guessable or folded in _COMMON:
        raise PasswordTooWeak("This password is easy to guess. Choose another; a few words together are easy to remember.")

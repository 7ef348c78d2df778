"""What signing in needs of the process, built once by `create_app` and kept in `app.state.auth`."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import Response

from dentalpin_kit.peers import Networks, client_of

from .passwords import Passwords
from .sealing import Sealer
from .throttle import Throttle
from .tokens import PAGE_LIFETIME, AccessTokens

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class AuthState:
    tokens: AccessTokens
    secure: bool
    """Whether people reach this runtime by https."""
    passwords: Passwords = field(default_factory=Passwords)
    data_key: str | None = field(default=None, repr=False)
    """Seals second factors; without one of its own, a key derived from the tokens' secret does."""
    trusted_proxies: Networks = ()
    """Whose word about the address of a client counts."""
    clock: Callable[[], float] = time.time

    @cached_property
    def throttle(self) -> Throttle:
        return Throttle(self.tokens.derive("attempts"))

    @cached_property
    def sealer(self) -> Sealer:
        secret = self.data_key.encode() if self.data_key else self.tokens.derive("data key")
        return Sealer(secret)

    @property
    def cookie(self) -> str:
        """Name of the session's cookie. Ports do not separate cookies, so each tenant's has a name of its own."""
        name = f"dentalpin_{self.tokens.derive('cookie name').hex()[:10]}"
        return f"__Host-{name}" if self.secure else name

    def set_cookie(self, response: Response, token: str) -> None:
        response.set_cookie(
            self.cookie, token, max_age=int(PAGE_LIFETIME.total_seconds()), path="/", secure=self.secure, httponly=True, samesite="lax"
        )

    def clear_cookie(self, response: Response) -> None:
        response.delete_cookie(self.cookie, path="/", secure=self.secure, httponly=True, samesite="lax")


def auth_state(connection: HTTPConnection) -> AuthState:
    state: AuthState = connection.app.state.auth
    return state


def from_elsewhere(connection: HTTPConnection) -> bool:
    """Whether a browser sent this from a page of another origin; another port, as of another tenant, is another origin.

    Every browser names the origin of a request that changes something (Fetch standard, "Origin"), and a page cannot forge it. A client
    that sends neither header is no browser, and carries nobody's cookie.
    """
    site = connection.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return True
    origin = connection.headers.get("origin")
    return origin is not None and origin.partition("://")[2].lower() != connection.headers.get("host", "").lower()


def changes_something(method: str) -> bool:
    return method not in _SAFE


def peer_of(connection: HTTPConnection) -> str:
    """The address at the other end of the connection, whatever headers say, unless a proxy the operator named says it."""
    peer = connection.client.host if connection.client else "unknown"
    return client_of(peer, connection.headers.getlist("x-forwarded-for"), auth_state(connection).trusted_proxies)

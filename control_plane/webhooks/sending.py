"""One attempt to hand over an event: a POST to an address that was looked up and checked just now, and to that very address.

The receiver is not trusted: it may be slow, never stop answering, point elsewhere, or have its name changed to an address inside. What it
answers is not kept, so nobody reads anything through us.
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Final

import httpx2

from control_plane.webhooks.addresses import Network, Resolver, allowed, resolve, split
from control_plane.webhooks.errors import AddressRefused

SECONDS: Final = 10.0
"""From looking up the name to the head of the answer."""
LONGEST_WAIT: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an attempt: the status answered, or the reason why there was none."""

    status: int | None
    reason: str | None
    retry_after: timedelta | None = None

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """410: the receiver asks never to be called again."""
        return self.status == 410


@cache
def _trusted() -> ssl.SSLContext:
    """The system's certificate authorities; reading them takes some 30 ms."""
    return ssl.create_default_context()


class Sender:
    def __init__(
        self,
        networks: Sequence[Network] = (),
        *,
        resolver: Resolver = resolve,
        tls: ssl.SSLContext | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self._networks = networks
        self._resolve = resolver
        self._tls = tls or _trusted()
        self._seconds = seconds

    async def check(self, url: str) -> None:
        """Whether an endpoint may have this address, as far as can be said today. Raises AddressRefused."""
        parts = split(url)
        try:
            found = await self._resolve(parts.hostname or "", parts.port or _port(parts.scheme))
        except (OSError, TimeoutError, UnicodeError):
            raise AddressRefused(parts.hostname or "", "its name has no address") from None
        allowed(parts, found, self._networks)

    async def send(self, url: str, headers: Mapping[str, str], body: str, *, at: datetime) -> Answer:
        """Try once; `at` is now. Never raises for what the receiver does."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._send(url, headers, body, at)
        except AddressRefused as refused:
            return Answer(None, refused.message)
        except TimeoutError:
            return Answer(None, f"No answer within {self._seconds:g} seconds.")
        except httpx2.HTTPError as error:
            return Answer(None, f"The connection failed ({type(error).__name__}).")
        except (OSError, UnicodeError, httpx2.InvalidURL) as error:
            return Answer(None, f"The name could not be looked up ({type(error).__name__}).")

    async def _send(self, url: str, headers: Mapping[str, str], body: str, at: datetime) -> Answer:
        parts = split(url)
        host = parts.hostname or ""
        address = allowed(parts, await self._resolve(host, parts.port or _port(parts.scheme)), self._networks)[0]
        # The connection goes to the address that was checked; the name is only said, in TLS and in Host.
        pinned = httpx2.URL(url).copy_with(host=str(address))
        extensions = {"sni_hostname": host} if parts.scheme == "https" else {}
        told = {
            **headers,
            "host": parts.netloc,
            "content-type": "application/json",
            "user-agent": "DentalPin-Webhooks/1",
            "accept-encoding": "identity",
        }
        async with httpx2.AsyncClient(verify=self._tls, trust_env=False, follow_redirects=False, timeout=self._seconds) as client:
            request = client.build_request("POST", pinned, content=body.encode(), headers=told, extensions=extensions)
            # Only the head is waited for: an answer without an end costs us nothing.
            answer = await client.send(request, stream=True)
            status, waiting = answer.status_code, _retry_after(answer.headers.get("retry-after"), at)
            await answer.aclose()
        if 300 <= status < 400:
            return Answer(status, f"It answered {status}: redirects are not followed. Give the webhook its final address.")
        return Answer(status, None if 200 <= status < 300 else f"It answered {status}.", waiting if status in (429, 503) else None)


def _port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _retry_after(value: str | None, at: datetime) -> timedelta | None:
    """Seconds or a date (RFC 9110 § 10.2.3), at most a day."""
    if value is None:
        return None
    try:
        wait = timedelta(seconds=int(value)) if value.isdecimal() else parsedate_to_datetime(value).replace(tzinfo=UTC) - at
    except (ValueError, OverflowError):
        return None
    return min(max(wait, timedelta(0)), LONGEST_WAIT)

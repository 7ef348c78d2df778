"""Where a webhook may go: https to the internet, and whatever networks the platform's operator named. Nothing else inside is reachable."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from control_plane.webhooks.errors import AddressRefused

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolver = Callable[[str, int], Awaitable[list[Address]]]

_NAT64: Final = IPv6Network("64:ff9b::/96")
# Kept for protocols and documents by the IANA's registries; older versions of Python 3.11 take some of them for the internet's.
_RESERVED: Final[tuple[Network, ...]] = (
    IPv4Network("192.0.0.0/24"),
    IPv6Network("64:ff9b:1::/48"),
    IPv6Network("2001::/23"),
    IPv6Network("3fff::/20"),
)
_RESOLVING_SECONDS: Final = 5.0


async def resolve(host: str, port: int) -> list[Address]:
    """What the system's resolver says. Raises OSError, TimeoutError."""
    async with asyncio.timeout(_RESOLVING_SECONDS):
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


def is_public(address: Address) -> bool:
    """Whether an address is the internet's, also where it is an IPv4 address in the clothes of IPv6."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in _NAT64:
            inner = IPv4Address(address.packed[-4:])
        if inner is not None:
            return is_public(inner)
    reserved = any(address.version == network.version and address in network for network in _RESERVED)
    return address.is_global and not address.is_multicast and not reserved


def split(url: str) -> SplitResult:
    """The parts of an endpoint's address. Raises AddressRefused for what is no plain http(s) address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressRefused(url[:200], "it is no address") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise AddressRefused(url[:200], "it is no http address")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused(parts.hostname, "an address may hold no password, which every list would show")
    if parts.fragment or any(character.isspace() or not character.isprintable() for character in url):
        raise AddressRefused(parts.hostname, "it holds characters that are never sent")
    return parts


def allowed(parts: SplitResult, found: Sequence[Address], networks: Sequence[Network]) -> list[Address]:
    """The addresses to connect to, all of which may be. Raises AddressRefused if one may not: a name may stand for many."""
    host = parts.hostname or ""
    if not found:
        raise AddressRefused(host, "its name has no address")
    for address in found:
        named = any(address.version == network.version and address in network for network in networks)
        if not named and not is_public(address):
            raise AddressRefused(host, "it is an address inside a network")
        if not named and parts.scheme != "https":
            raise AddressRefused(host, "its answers and our events would travel in the open")
    return list(found)

"""Who is at the other end of a connection that proxies may stand in. Pure: addresses, and what headers say of them."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

Networks = tuple[IPv4Network | IPv6Network, ...]


def read_networks(text: str) -> Networks:
    """Networks from a setting: `10.0.0.0/8, 192.0.2.7`. Raises ValueError."""
    return tuple(ip_network(entry.strip()) for entry in text.split(",") if entry.strip())


def client_of(peer: str, forwarded_for: Iterable[str], trusted: Networks) -> str:
    """The address that asks: `peer` itself, unless that is a trusted proxy.

    Then it is the last address in X-Forwarded-For that none of those proxies wrote for another of them: each appends whom it was asked by,
    so what a client wrote itself stands further left.
    """
    if not trusted:
        return peer
    told = [entry.strip() for entry in ",".join(forwarded_for).split(",") if entry.strip()]
    while told and _within(peer, trusted):
        peer = told.pop()
    return peer


def _within(peer: str, networks: Networks) -> bool:
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    return any(address in network for network in networks)

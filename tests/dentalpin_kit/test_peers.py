"""Whom a request is counted for: nobody chooses that by a header."""

import pytest

from dentalpin_kit.peers import client_of, read_networks

INSIDE = read_networks("10.0.0.0/8, 127.0.0.1")


@pytest.mark.parametrize(
    ("peer", "headers", "trusted", "client"),
    [
        ("203.0.113.9", ["198.51.100.1"], (), "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], INSIDE, "203.0.113.9"),
        ("10.1.1.1", ["198.51.100.1"], INSIDE, "198.51.100.1"),
        ("10.1.1.1", ["6.6.6.6, 198.51.100.1, 10.2.2.2"], INSIDE, "198.51.100.1"),
        ("10.1.1.1", ["6.6.6.6", "198.51.100.1"], INSIDE, "198.51.100.1"),
        ("10.1.1.1", [], INSIDE, "10.1.1.1"),
        ("unknown", ["198.51.100.1"], INSIDE, "unknown"),
    ],
)
def test_only_a_trusted_proxy_is_believed_and_only_what_it_wrote_itself(peer, headers, trusted, client):
    assert client_of(peer, headers, trusted) == client

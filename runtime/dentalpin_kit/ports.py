"""Ports that are chosen once and kept.

They lie below the range from which the kernel takes ports for outgoing connections (32768 and up on Linux): a port of that range may be
in use, by a connection of anybody, at the very moment its owner is started again.
"""

import errno
import random
import socket
from collections.abc import Iterable

KEPT = range(20000, 32768)
BACKLOG = 1024
ATTEMPTS = 200


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError (EADDRINUSE where somebody else listens, gaierror for what is no address)."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listening = socket.socket(family)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening


def listen_on_free(host: str, *, first: Iterable[int] = ()) -> socket.socket:
    """A listening socket on the first free one of `first`, else on any free port worth keeping. Raises OSError."""
    for port in (*first, *random.sample(KEPT, ATTEMPTS)):
        try:
            return listen(host, port)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
    return listen(host, 0)


def free_port(host: str = "127.0.0.1") -> int:
    """A port worth keeping that nobody listens on at the moment."""
    with listen_on_free(host) as found:
        return int(found.getsockname()[1])

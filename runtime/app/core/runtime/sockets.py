"""The listening sockets of a process: the shared one it inherits or binds, and the control channel."""

import socket

from app.config import Settings
from app.core.runtime.errors import BootFailed


def public_socket(settings: Settings) -> socket.socket:
    """The supervisor's socket if it handed one over, else one bound to DENTALPIN_HOST and DENTALPIN_PORT. Raises BootFailed."""
    if settings.listen_fd is not None:
        try:
            listening = socket.socket(fileno=settings.listen_fd)
        except OSError as error:
            raise BootFailed(f"DENTALPIN_LISTEN_FD={settings.listen_fd} is no open socket: {error.strerror}") from error
        listening.setblocking(False)
        return listening
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise BootFailed(
            f"{settings.host}:{settings.port} cannot be listened on ({error.strerror}). "
            "Stop what uses it, or set DENTALPIN_HOST and DENTALPIN_PORT to another address"
        ) from error
    listening.setblocking(False)
    return listening


def control_socket() -> socket.socket:
    """A loopback port that only this process answers."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.bind(("127.0.0.1", 0))
    listening.setblocking(False)
    return listening

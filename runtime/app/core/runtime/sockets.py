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
    return _bound(settings.host, settings.port, "DENTALPIN_HOST and DENTALPIN_PORT")


def control_socket(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A port that only this process answers; on loopback, unless others are let in on purpose. Raises BootFailed."""
    return _bound(host, port, "DENTALPIN_CONTROL_HOST and DENTALPIN_CONTROL_PORT")


def _bound(host: str, port: int, settings: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, asyncio lets every answer leave at once; else the kernel waits up to 40 ms for more of it.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise BootFailed(
            f"{host}:{port} cannot be listened on ({error.strerror}). Stop what uses it, or set {settings} to another address"
        ) from error
    listening.setblocking(False)
    return listening

"""Keeps a process from reaching anybody but its database. Put up before any module is imported, and never taken down.

Two fences. The kernel's (Landlock) lets this process and whatever it starts open TCP connections to the database's port only. Python's
own (an audit hook) is finer and covers names, datagrams and programs; code in other languages passes it, and meets the first.
"""

import logging
import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import parse_qs, unquote, urlsplit

from app.core.copies.copy import sends_nothing
from app.core.copies.landlock import confine_tcp
from app.core.runtime.environment import Environment

logger = logging.getLogger(__name__)

POSTGRES_PORT: Final = 5432
_PROGRAMS: Final = frozenset({"pg_dump", "pg_restore"})
"""What dumps and restores modules; it is told where to connect by us."""
_OURSELVES: Final = (["-m", "app.cli.main"], ["-m", "app.serve"])
"""Programs of this runtime, which put up the same fences."""


class SendsNothing(ConnectionRefusedError):
    """A copy of a clinic, or a demonstration, tried to reach somebody."""

    def __init__(self, what: str) -> None:
        super().__init__(f"this runtime is a copy of a clinic or a demonstration and sends nothing to anybody: {what} was refused")


@dataclass(frozen=True)
class Door:
    """The one place it may connect to."""

    host: str
    port: int

    @classmethod
    def of(cls, database_url: str) -> Self:
        parts = urlsplit(database_url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        host = unquote(parts.hostname or "") or query.get("host") or "localhost"
        return cls(host, int(parts.port or query.get("port") or POSTGRES_PORT))

    @property
    def is_folder(self) -> bool:
        """Whether the server is reached by a socket in a folder."""
        return self.host.startswith("/")

    def leads_to(self, family: int, address: Any) -> bool:
        """Whether connecting to this address is connecting to the database."""
        if family == socket.AF_UNIX:
            return self.is_folder and os.fsdecode(address) == f"{self.host}/.s.PGSQL.{self.port}"
        if self.is_folder or not isinstance(address, tuple) or address[1] != self.port:
            return False
        return address[0] == self.host or address[0] in _addresses(self.host, self.port)


def _addresses(host: str, port: int) -> set[str]:
    return {str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}


def put_up(database_url: str) -> None:
    """Put up both fences around this process. What is refused afterwards raises SendsNothing, an OSError."""
    door = Door.of(database_url)
    if not confine_tcp([] if door.is_folder else [door.port]):
        logger.warning("this kernel cannot confine connections (Landlock, Linux 6.7): only Python's own fence keeps this copy to itself")
    watched = _watched(door)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        look = watched.get(event)
        if look is not None:
            look(args)

    sys.addaudithook(hook)


def protect(variables: Mapping[str, str] = os.environ) -> bool:
    """Put the fences up where the revision says that this is a copy or a demonstration; whether it is one of them.

    Raises SettingMissing without a database.
    """
    if not sends_nothing(variables):
        return False
    put_up(Environment.read(variables).database_url)
    return True


def _watched(door: Door) -> dict[str, Callable[[tuple[Any, ...]], None]]:
    def connect(args: tuple[Any, ...]) -> None:
        if not door.leads_to(args[0].family, args[1]):
            raise SendsNothing(f"a connection to {_shown(args[1])}")

    def send(args: tuple[Any, ...]) -> None:
        # Without an address it goes where the socket was connected to.
        if len(args) > 1 and args[1] is not None:
            raise SendsNothing(f"a datagram to {_shown(args[1])}")

    def look_up(args: tuple[Any, ...]) -> None:
        host = None if args[0] is None else _text(args[0])
        if host not in (None, "localhost", door.host) and not _is_number(host):
            raise SendsNothing(f"looking up {host}")

    def name_of(args: tuple[Any, ...]) -> None:
        raise SendsNothing(f"looking up {_shown(args[0])}")

    def start(args: tuple[Any, ...]) -> None:
        _check_program(args[0], list(args[1]))

    def shell(args: tuple[Any, ...]) -> None:
        raise SendsNothing("a shell command")

    return {
        "socket.connect": connect,
        "socket.sendto": send,
        "socket.sendmsg": send,
        "socket.getaddrinfo": look_up,
        "socket.gethostbyname": look_up,
        "socket.gethostbyaddr": name_of,
        "socket.getnameinfo": name_of,
        "subprocess.Popen": start,
        "os.posix_spawn": start,
        "os.exec": start,
        "os.system": shell,
    }


def _check_program(executable: Any, arguments: list[Any]) -> None:
    program = _text(executable if executable is not None else arguments[0])
    given = [_text(argument) for argument in arguments[1:3]]
    if Path(program).name in _PROGRAMS or (program == sys.executable and given in _OURSELVES):
        return
    raise SendsNothing(f"starting {program}")


def _is_number(host: str) -> bool:
    """Whether it is an address already: nobody is asked for it. An empty one stands for this machine."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except OSError:
            continue
        return True
    return not host


def _text(value: Any) -> str:
    return os.fsdecode(value) if isinstance(value, bytes | os.PathLike) else str(value)


def _shown(address: Any) -> str:
    return f"{address[0]} port {address[1]}" if isinstance(address, tuple) and len(address) > 1 else _text(address)

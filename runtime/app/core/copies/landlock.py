"""Landlock (Linux): which TCP ports this process may connect to, for good and for everything it starts, through `execve` too.

The kernel offers no library; the three calls and their structures are those of linux/landlock.h.
"""

import ctypes
import os
import struct
from collections.abc import Iterable
from typing import Final

_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
"""The same numbers on every architecture."""
_VERSION: Final = 1 << 0
_NET_PORT: Final = 2
_CONNECT_TCP: Final = 1 << 1
_SCOPE_ABSTRACT_SOCKETS: Final = 1 << 0
_NETWORK_SINCE: Final = 4
_SCOPES_SINCE: Final = 6
_PR_SET_NO_NEW_PRIVS: Final = 38


def confine_tcp(ports: Iterable[int]) -> bool:
    """Allow TCP connections to these ports only, from now on. False where this kernel cannot. Call it before other threads start.

    Raises OSError where the kernel could and refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    # Asked for first, also where nothing else can be had: a program started from here gains no rights.
    _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    if version < _NETWORK_SINCE:
        return False
    scoped = _SCOPE_ABSTRACT_SOCKETS if version >= _SCOPES_SINCE else 0
    attributes = struct.pack("=QQQ", 0, _CONNECT_TCP, scoped)
    size = len(attributes) if version >= _SCOPES_SINCE else struct.calcsize("=QQ")
    ruleset = _checked(libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(size), 0))
    try:
        for port in ports:
            _checked(libc.syscall(_ADD_RULE, ruleset, _NET_PORT, struct.pack("=QQ", _CONNECT_TCP, port), 0))
        _checked(libc.syscall(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)
    return True


def _checked(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"Landlock: {os.strerror(error)}")
    return result

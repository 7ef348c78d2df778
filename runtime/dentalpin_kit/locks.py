"""Keys of the PostgreSQL advisory locks: two int4 each, the class says what the object is.

The processor of a database is one; every module that a process serves has its own, which serving processes share and a removal
takes alone. Always `pg_try_advisory_lock…`, polled: a waiting exclusive lock would block new sharers.
"""

import zlib
from typing import Final, NamedTuple

PROCESSOR_CLASS: Final = 0x44500001
SERVING_CLASS: Final = 0x44500002
SCHEDULING_CLASS: Final = 0x44500003


class LockKey(NamedTuple):
    """The two arguments of `pg_try_advisory_lock(int4, int4)`; `pg_locks` shows them as classid and objid."""

    classid: int
    objid: int


PROCESSOR: Final = LockKey(PROCESSOR_CLASS, 0)
SCHEDULING: Final = LockKey(SCHEDULING_CLASS, 0)
"""Held for a transaction that plans a change of modules and writes it. Nobody shares it, so it may be waited for."""


def serving(module: str) -> LockKey:
    """The lock a process shares while it serves the module, and a removal holds alone. Equal in every process and release."""
    checksum = zlib.crc32(module.encode("utf-8"))
    return LockKey(SERVING_CLASS, checksum - (1 << 32) if checksum >= 1 << 31 else checksum)

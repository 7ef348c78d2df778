"""The first thing a starting runtime does: ask, as request role, whether boot has anything to do. Imports asyncpg and little else."""

import json
from typing import Final

import asyncpg

from app.core.runtime.connection import connect
from app.core.runtime.fingerprint import SETTLED, fingerprint

_QUESTION: Final = """
    SELECT (SELECT value FROM core_setting WHERE key = $1) AS settled,
           EXISTS (SELECT FROM core_module WHERE state IN ('to_install', 'to_upgrade', 'to_remove')) AS pending
"""


async def nothing_to_do(url: str, identity: str | None) -> bool:
    """Whether this database was left settled under this very environment and revision. Raises DatabaseUnreachable."""
    connection = await connect(url)
    try:
        row = await connection.fetchrow(_QUESTION, SETTLED)
    except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError):
        return False
    finally:
        await connection.close()
    if row["pending"] or row["settled"] is None:
        return False
    settled = json.loads(row["settled"])
    return isinstance(settled, dict) and settled.get("fingerprint") == fingerprint(identity)

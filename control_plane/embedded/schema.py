"""The platform's own schema at a start: migrated when this version differs from the one that migrated last.

Importing what migrates takes longer than everything else a usual start does, so the database itself remembers for which files it was
done: as the comment on Alembic's table, written in the same database and lost with it.
"""

import hashlib
from pathlib import Path

import asyncpg

PACKAGE = Path(__file__).parents[1]
_REMEMBERED = "SELECT obj_description(to_regclass('public.alembic_version'), 'pg_class')"


async def bring_up(url: str) -> None:
    """Migrate the platform's database (libpq style URL) unless it was done for exactly these files."""
    wanted = fingerprint()
    connection = await asyncpg.connect(url, timeout=30)
    try:
        if await connection.fetchval(_REMEMBERED) == wanted:
            return
        from control_plane.migrations import migrate

        await migrate(url)
        await connection.execute(f"COMMENT ON TABLE alembic_version IS '{wanted}'")
    finally:
        await connection.close()


def fingerprint() -> str:
    """Of everything that decides what migrating does: the revisions, and the state tables it copies into the database."""
    files = [*sorted((PACKAGE / "migrations").rglob("*.py")), *sorted(PACKAGE.glob("*/states.py")), PACKAGE / "transitions.py"]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()

"""The platform's own schema: Alembic, run inside this process, in one transaction and by one process at a time."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from control_plane.database import sqlalchemy_url

_LOCK: Final = 0x44500100
"""Advisory lock of the platform's database: whoever migrates holds it until commit."""


def configuration(connection: Connection | None = None) -> Config:
    """Alembic's settings; no alembic.ini, so that an installed wheel migrates like a checkout."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


async def migrate(url: str) -> None:
    """Bring the platform's database at `url` (libpq style) to this version: all of it or nothing. Repeating it changes nothing."""
    engine = create_async_engine(sqlalchemy_url(url), poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            await connection.execute(text("SET LOCAL lock_timeout = '10s'"))
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    command.upgrade(configuration(connection), "head")
    _record_transitions(connection)


def _record_transitions(connection: Connection) -> None:
    """Give the database the state tables of this version: its trigger refuses what they do not allow.

    What only the version before allows is kept as retired until the next one comes: its processes go on while this is done, and may be
    brought back afterwards.
    """
    from control_plane.machines import MACHINES

    wanted = {(machine, source, target) for machine, table in MACHINES.items() for source, target in table.pairs()}
    held = {
        (row.machine, row.source, row.target): row.retired
        for row in connection.execute(text("SELECT machine, source, target, retired FROM state_transition"))
    }
    current = {one for one, retired in held.items() if not retired}
    if current == wanted:
        return
    connection.execute(text("DELETE FROM state_transition"))
    rows = [*((one, False) for one in wanted), *((one, True) for one in current - wanted)]
    connection.execute(
        text("INSERT INTO state_transition (machine, source, target, retired) VALUES (:machine, :source, :target, :retired)"),
        [{"machine": machine, "source": source, "target": target, "retired": retired} for (machine, source, target), retired in rows],
    )

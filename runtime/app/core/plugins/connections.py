"""The processor's connections: two, kept for a whole run, since a new one costs the server more than most of what a module asks of it."""

from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.database import sqlalchemy_url

_CLEAN: Final = "SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET SESSION AUTHORIZATION; RESET ALL; DISCARD TEMP"
"""What DISCARD ALL does, prepared statements aside, which the driver keeps account of."""


def processor_engine(url: str) -> AsyncEngine:
    """The owner's engine for one run. What a migration or a hook left in its session is gone before the next module meets it."""
    engine = create_async_engine(
        sqlalchemy_url(url),
        pool_size=2,
        max_overflow=2,
        # A connection that died between two modules is nobody's failure.
        pool_pre_ping=True,
        pool_reset_on_return=None,
        hide_parameters=True,
        connect_args={"timeout": 10, "server_settings": {"application_name": "dentalpin-processor", "jit": "off"}},
    )

    @event.listens_for(engine.sync_engine, "reset")
    def clean(connection: Any, record: Any, state: Any) -> None:
        if not state.terminate_only:
            connection.rollback()
            connection.run_async(lambda driver: driver.execute(_CLEAN))

    return engine

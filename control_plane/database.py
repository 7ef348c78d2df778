"""The platform's database: one engine per process, one transaction per request or step of work.

Nothing below `Database.transaction()` commits. The API's route class (control_plane.access.routing) opens it before the endpoint
and closes it before the answer leaves, so a failed commit is an error and never a success that was not.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Final
from uuid import UUID

from sqlalchemy import DateTime, Enum, MetaData, Uuid, event, make_url
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

TRUSTED_SECONDS: Final = 5.0
"""How long after its last use a connection is taken to be there still, unless its end was heard of."""
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Tables of the control plane; the runtime's are in another database and another package."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        UUID: Uuid(),
        dict[str, Any]: JSONB(none_as_null=True),
        list[str]: JSONB(none_as_null=True),
    }


def text_enum(kind: type[StrEnum], length: int = 20) -> Enum:
    """A StrEnum stored as its value in a plain text column: a new member needs no migration, the state trigger guards what matters."""
    return Enum(
        kind, native_enum=False, create_constraint=False, length=length, values_callable=lambda members: [one.value for one in members]
    )


def sqlalchemy_url(url: str) -> str:
    """A libpq-style URL as SQLAlchemy wants it for asyncpg."""
    return make_url(url).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)


def libpq_url(url: str) -> str:
    """The URL as asyncpg and the client tools want it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


class Database:
    """Connections to the platform's database. `url` is libpq style."""

    def __init__(self, url: str, *, pool_size: int = 5, trusted_seconds: float = TRUSTED_SECONDS) -> None:
        self.url = libpq_url(url)
        self.engine = create_async_engine(sqlalchemy_url(url), pool_size=pool_size, max_overflow=10)
        _look_at_connections(self.engine, trusted_seconds)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session whose work is committed at the end of the block and rolled back by any exception."""
        async with self._sessions() as session, session.begin():
            yield session

    async def close(self) -> None:
        await self.engine.dispose()


def _look_at_connections(engine: AsyncEngine, trusted_seconds: float) -> None:
    """Before a connection is used again: one that ended is replaced at once, one that was idle for long is asked first.

    SQLAlchemy's own `pool_pre_ping` asks each time, with three round trips that a busy API spends on nothing.
    """
    dialect, pool = engine.sync_engine.dialect, engine.sync_engine.pool

    @event.listens_for(pool, "checkin")
    def _put_back(_connection: Any, record: Any) -> None:
        record.info["used"] = time.monotonic()

    @event.listens_for(pool, "checkout")
    def _taken(connection: Any, record: Any, _proxy: Any) -> None:
        if connection.driver_connection.is_closed():
            raise DisconnectionError("the server closed it")
        if time.monotonic() - record.info.get("used", time.monotonic()) > trusted_seconds:
            try:
                dialect.do_ping(connection)
            except Exception as error:
                raise DisconnectionError("it does not answer any more") from error


_PASSING_CLASSES = frozenset({"08", "53", "57"})
"""SQLSTATE classes of a server that is away, full, or starting and stopping."""


def is_away(error: BaseException) -> bool:
    """Whether an error says that the database does not answer for the moment, rather than that a statement was wrong."""
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        return error.connection_invalidated or isinstance(error, InterfaceError) or state[:2] in _PASSING_CLASSES
    return isinstance(error, OSError | TimeoutError | PoolTimeout)


def is_unstorable(error: BaseException) -> bool:
    """Whether a value was one PostgreSQL cannot hold, such as text with a NUL (SQLSTATE class 22, data exceptions)."""
    return isinstance(error, DBAPIError) and (getattr(error.orig, "sqlstate", None) or "").startswith("22")

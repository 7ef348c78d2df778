"""Many tenants on one PostgreSQL server (15 or newer), administered by a plain role with CREATEROLE and CREATEDB.

Owner and request role belong to the administrator, which makes itself a member of both: without being a superuser it may then hand the
database over, dump it and drop it. What the request role may do inside is the runtime's to say (app.core.isolation).
CREATE DATABASE cannot be part of a transaction, hence every statement is repeatable by itself.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import make_url

from control_plane.database import libpq_url
from control_plane.databases.base import DatabaseRefused, DatabaseServerUnavailable, Dump
from control_plane.databases.dumping import Server, dump_database
from control_plane.databases.names import app_role, database_name, owner_role
from control_plane.deployers.base import DatabaseAddress, RoleVerifiers

CONNECT_SECONDS: Final = 10.0
COMMAND_SECONDS: Final = 60.0
_EXISTS: Final = (asyncpg.DuplicateObjectError, asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError)
_WILL_PASS: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ObjectInUseError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.InternalServerError,
    OSError,
    TimeoutError,
)

log = logging.getLogger(__name__)


class SharedServer:
    """`admin_url` is libpq style; `host` is the server as runtimes reach it, where that differs. `bindir` holds pg_dump and pg_restore."""

    def __init__(self, admin_url: str, *, host: str | None = None, bindir: Path | None = None) -> None:
        self._url = make_url(libpq_url(admin_url))
        self._host = host or self._url.host or "127.0.0.1"
        self._bindir = bindir

    def address(self, tenant_id: UUID) -> DatabaseAddress:
        return DatabaseAddress(
            host=self._host,
            port=self._url.port or 5432,
            name=database_name(tenant_id),
            owner_role=owner_role(tenant_id),
            app_role=app_role(tenant_id),
        )

    async def ensure(self, tenant_id: UUID, verifiers: RoleVerifiers) -> DatabaseAddress:
        database, owner, app = database_name(tenant_id), owner_role(tenant_id), app_role(tenant_id)
        async with self._connected() as admin:
            for role, verifier in ((owner, verifiers.owner), (app, verifiers.app)):
                await _create(admin, "CREATE ROLE %I NOLOGIN", role)
                await _run(admin, "ALTER ROLE %I LOGIN PASSWORD %L", role, verifier)
                await _join(admin, role)
            if not await admin.fetchval("SELECT true FROM pg_database WHERE datname = $1", database):
                await _create(admin, "CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING 'UTF8'", database, owner)
            await _run(admin, "REVOKE ALL ON DATABASE %I FROM PUBLIC", database)
            await _run(admin, "GRANT CONNECT ON DATABASE %I TO %I", database, app)
        return self.address(tenant_id)

    async def dump(self, tenant_id: UUID, file: Path) -> Dump | None:
        database = database_name(tenant_id)
        async with self._connected() as admin:
            if not await admin.fetchval("SELECT true FROM pg_database WHERE datname = $1", database):
                return None
        server = Server(self._url.host or "127.0.0.1", self._url.port or 5432, self._url.username or "", self._url.password or "")
        return await dump_database(server, database, role=owner_role(tenant_id), file=file, bindir=self._bindir)

    async def drop(self, tenant_id: UUID) -> None:
        async with self._connected() as admin:
            await _drop_database(admin, database_name(tenant_id))
            for role in (app_role(tenant_id), owner_role(tenant_id)):
                await _run(admin, "DROP ROLE IF EXISTS %I", role)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        """An administrator's connection; what goes wrong on it becomes a DatabaseServerUnavailable or a DatabaseRefused."""
        connection = None
        try:
            connection = await asyncpg.connect(
                self._url.render_as_string(hide_password=False), timeout=CONNECT_SECONDS, command_timeout=COMMAND_SECONDS
            )
            yield connection
        except _WILL_PASS as error:
            raise DatabaseServerUnavailable(f"The database server at {self._host}:{self._url.port} is not available: {error}") from error
        except asyncpg.PostgresError as error:
            raise DatabaseRefused(
                f"The database server at {self._host}:{self._url.port} refuses: {error} (SQLSTATE {error.sqlstate}). "
                "Give the administrator's role CREATEROLE and CREATEDB, then retry."
            ) from error
        finally:
            if connection is not None:
                await asyncio.shield(_close(connection))


async def _close(connection: Any) -> None:
    try:
        await connection.close(timeout=2)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        connection.terminate()


async def _run(connection: Any, template: str, *values: str) -> None:
    """Execute a utility statement; such statements take no parameters, so the server's own format() quotes them."""
    places = ", ".join(f"${number}::text" for number in range(2, len(values) + 2))
    statement = await connection.fetchval(f"SELECT format($1::text, {places})", template, *values)
    await connection.execute(statement)


async def _create(connection: Any, template: str, *values: str) -> None:
    try:
        await _run(connection, template, *values)
    except _EXISTS:
        log.debug("%s exists already", values[0])


async def _drop_database(connection: Any, database: str) -> None:
    """Drop a database that nobody may use any more, and the sessions in it.

    Not WITH (FORCE): that asks for the right to end each process there, which a plain administrator lacks for an autovacuum worker.
    Without it PostgreSQL sends such workers away by itself. Whoever else is connected is waited for (ObjectInUseError).
    """
    if await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", database):
        await _run(connection, "ALTER DATABASE %I ALLOW_CONNECTIONS false", database)
    await connection.fetch(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'", database
    )
    await _run(connection, "DROP DATABASE IF EXISTS %I", database)


async def _join(connection: Any, role: str) -> None:
    """Make the administrator a member that inherits and may SET ROLE; before PostgreSQL 16 every member could."""
    me = await connection.fetchval("SELECT current_user::text")
    options = " WITH INHERIT TRUE, SET TRUE" if connection.get_server_version().major >= 16 else ""
    await _run(connection, "GRANT %I TO %I" + options, role, me)

"""Many tenants on one PostgreSQL server (15 or newer), administered by a plain role with CREATEROLE and CREATEDB.

A tenant has an owner and a request role. Their passwords are rotated by a second login beside each, which acts as the role: the two take
turns, so that what runs with the earlier password goes on until what runs with the later one has taken over.

Owner and request role belong to the administrator, which makes itself a member of both: without being a superuser it may then hand the
database over, dump it and drop it. What the request role may do inside is the runtime's to say (app.core.isolation).
CREATE DATABASE cannot be part of a transaction, hence every statement is repeatable by itself.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import make_url

from control_plane.database import libpq_url
from control_plane.databases.base import DatabaseRefused, DatabaseServerUnavailable, Dump, Dumping, Source
from control_plane.databases.contents import Contents, schema_of
from control_plane.databases.copying import Copying
from control_plane.databases.dumping import dump_database
from control_plane.databases.names import app_role, database_name, login, owner_role
from control_plane.databases.programs import Server, feed, find_program
from control_plane.databases.statements import create, drop_database, join, run
from control_plane.deployers.base import DatabaseAddress, RoleVerifiers

CONNECTIONS: Final = 60
"""What one login may have open: three pods that hand over to three others, each with its pool, locks and notices."""
CONNECT_SECONDS: Final = 10.0
COMMAND_SECONDS: Final = 60.0
COPY_SECONDS: Final = 1800.0
"""One statement that reads a whole table."""
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


class SharedServer:
    """`admin_url` is libpq style; `host` is the server as runtimes reach it, where that differs. `bindir` holds pg_dump and pg_restore."""

    def __init__(self, admin_url: str, *, host: str | None = None, bindir: Path | None = None) -> None:
        self._url = make_url(libpq_url(admin_url))
        self._host = host or self._url.host or "127.0.0.1"
        self._bindir = bindir

    async def check(self) -> None:
        """Raises DatabaseServerUnavailable, and DatabaseRefused where the administrator could make no roles or databases."""
        async with self._connected() as admin:
            able = await admin.fetchval("SELECT rolsuper OR (rolcreaterole AND rolcreatedb) FROM pg_roles WHERE rolname = current_user")
        if not able:
            raise DatabaseRefused(f"{self._url.username} may not make roles and databases there. Give the role CREATEROLE and CREATEDB.")

    def address(self, tenant_id: UUID, serial: int = 0) -> DatabaseAddress:
        return DatabaseAddress(
            host=self._host,
            port=self._url.port or 5432,
            name=database_name(tenant_id),
            owner_role=login(owner_role(tenant_id), serial),
            app_role=login(app_role(tenant_id), serial),
            serial=serial,
        )

    async def ensure(self, tenant_id: UUID, verifiers: RoleVerifiers, serial: int = 0) -> DatabaseAddress:
        database, owner, app = database_name(tenant_id), owner_role(tenant_id), app_role(tenant_id)
        async with self._connected() as admin:
            for role, verifier in ((owner, verifiers.owner), (app, verifiers.app)):
                await create(admin, "CREATE ROLE %I NOLOGIN", role)
                await join(admin, role)
                await self._let_in(admin, role, verifier, serial)
            await self._make_database(admin, tenant_id)
            await run(admin, "REVOKE ALL ON DATABASE %I FROM PUBLIC", database)
            await run(admin, "GRANT CONNECT ON DATABASE %I TO %I", database, app)
        return self.address(tenant_id, serial)

    async def _let_in(self, admin: Any, role: str, verifier: str, serial: int) -> None:
        """Let the login of this serial in. One beside the role acts as the role from its first statement, so that what it makes is the
        role's."""
        name = login(role, serial)
        if name != role:
            await create(admin, "CREATE ROLE %I NOLOGIN", name)
            await join(admin, name)
            await run(admin, "GRANT %I TO %I", role, name)
            await run(admin, "ALTER ROLE %I SET role TO %L", name, role)
        await run(admin, f"ALTER ROLE %I LOGIN PASSWORD %L CONNECTION LIMIT {CONNECTIONS}", name, verifier)

    async def _make_database(self, admin: Any, tenant_id: UUID) -> None:
        name = database_name(tenant_id)
        if not await admin.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
            await create(admin, "CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING 'UTF8'", name, owner_role(tenant_id))

    async def _drop_own(self, admin: Any, tenant_id: UUID) -> None:
        await drop_database(admin, database_name(tenant_id))

    async def sessions(self, tenant_id: UUID, serial: int) -> int:
        async with self._connected() as admin:
            query = "SELECT count(*) FROM pg_stat_activity WHERE usename = ANY($1)"
            return int(await admin.fetchval(query, _others(tenant_id, serial)))

    async def close_logins(self, tenant_id: UUID, serial: int) -> None:
        others = _others(tenant_id, serial)
        async with self._connected() as admin:
            for name in [row[0] for row in await admin.fetch("SELECT rolname FROM pg_roles WHERE rolname = ANY($1)", others)]:
                await run(admin, "ALTER ROLE %I NOLOGIN PASSWORD NULL", name)
            await admin.fetch("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = ANY($1)", others)

    async def dump(self, tenant_id: UUID, file: Path) -> Dump | None:
        database = database_name(tenant_id)
        async with self._connected() as admin:
            if not await admin.fetchval("SELECT true FROM pg_database WHERE datname = $1", database):
                return None
        return await dump_database(self._server, database, role=owner_role(tenant_id), file=file, bindir=self._bindir)

    def dumping(self, tenant_id: UUID) -> AbstractAsyncContextManager[Dumping | None]:
        return self._copying.dumping(tenant_id)

    async def read_through(self, content: AsyncIterable[bytes]) -> None:
        await feed(find_program("pg_restore", self._bindir), ["--file=/dev/null"], content)

    async def load(self, tenant_id: UUID, database: str, source: Source, *, roles_of: UUID) -> Contents:
        return await self._copying.load(tenant_id, database, source, roles_of=roles_of)

    async def swap(self, tenant_id: UUID, database: str) -> None:
        await self._copying.swap(tenant_id, database)

    async def schema(self, tenant_id: UUID) -> list[str]:
        async with self._connected(database_name(tenant_id)) as connection:
            await run(connection, "SET ROLE %I", owner_role(tenant_id))
            return await schema_of(connection)

    async def drop_beside(self, database: str) -> None:
        async with self._connected() as admin:
            await drop_database(admin, database)

    async def drop(self, tenant_id: UUID) -> None:
        async with self._connected() as admin:
            # With what was loaded beside it and never took its place.
            own = database_name(tenant_id)
            beside = await admin.fetch("SELECT datname FROM pg_database WHERE starts_with(datname, $1)", f"{own}_")
            await self._drop_own(admin, tenant_id)
            for row in beside:
                await drop_database(admin, row[0])
            for role in (*_others(tenant_id, 0), app_role(tenant_id), owner_role(tenant_id)):
                await run(admin, "DROP ROLE IF EXISTS %I", role)

    @property
    def _server(self) -> Server:
        return Server(self._url.host or "127.0.0.1", self._url.port or 5432, self._url.username or "", self._url.password or "")

    @property
    def _copying(self) -> Copying:
        return Copying(self._server, lambda database: self._connected(database, seconds=COPY_SECONDS), self._bindir)

    @asynccontextmanager
    async def _connected(self, database: str = "", *, seconds: float | None = None) -> AsyncIterator[Any]:
        """An administrator's connection; what goes wrong on it becomes a DatabaseServerUnavailable or a DatabaseRefused."""
        connection = None
        try:
            url = self._url.set(database=database) if database else self._url
            connection = await asyncpg.connect(
                url.render_as_string(hide_password=False), timeout=CONNECT_SECONDS, command_timeout=seconds or COMMAND_SECONDS
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


def _others(tenant_id: UUID, serial: int) -> list[str]:
    """The tenant's logins that are not this serial's turn."""
    return [login(role(tenant_id), serial + 1) for role in (owner_role, app_role)]


async def _close(connection: Any) -> None:
    try:
        await connection.close(timeout=2)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        connection.terminate()

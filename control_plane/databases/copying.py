"""A tenant's database out into a stream, and a stream into a database of its own beside it that may then take its place.

The dump and the account of what it holds see the same snapshot. Names of roles are those of the tenant it came from: what they may do is
read from the dump and given to the roles of the tenant it is for, so that a clone is served like the original.
"""

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from control_plane.databases.base import Dumping, Source
from control_plane.databases.contents import Contents, contents_of
from control_plane.databases.names import app_role, database_name, owner_role
from control_plane.databases.programs import Server, feed, find_program, output_of
from control_plane.databases.statements import create, drop_database, empty, join, run

Connect = Callable[[str], AbstractAsyncContextManager[Any]]
"""An administrator's connection to the database of this name; "" for the administrator's own."""

_EXISTS: Final = "SELECT true FROM pg_database WHERE datname = $1"
_PRIVILEGES: Final = (" ACL ", " DEFAULT ACL ")


@dataclass(frozen=True)
class Copying:
    """What copying needs of one database server."""

    server: Server
    connect: Connect
    bindir: Path | None

    @asynccontextmanager
    async def dumping(self, tenant_id: UUID) -> AsyncIterator[Dumping | None]:
        database, owner = database_name(tenant_id), owner_role(tenant_id)
        async with self.connect("") as admin:
            if not await admin.fetchval(_EXISTS, database):
                yield None
                return
        async with self.connect(database) as connection:
            await run(connection, "SET ROLE %I", owner)
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
                taken_at = await connection.fetchval("SELECT now()")
                contents = await contents_of(connection)
                what = ["--format=custom", "--role", owner, f"--snapshot={snapshot}", database]
                async with output_of(find_program("pg_dump", self.bindir), what, server=self.server) as content:
                    yield Dumping(taken_at, contents, content)

    async def load(self, tenant_id: UUID, database: str, source: Source, *, roles_of: UUID) -> Contents:
        owner, app = owner_role(tenant_id), app_role(tenant_id)
        async with self.connect("") as admin:
            await drop_database(admin, database)
            for role in (owner, app):
                await create(admin, "CREATE ROLE %I NOLOGIN", role)
                await join(admin, role)
            await create(admin, "CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING 'UTF8'", database, owner)
            await run(admin, "REVOKE ALL ON DATABASE %I FROM PUBLIC", database)
            await run(admin, "GRANT CONNECT ON DATABASE %I TO %I", database, app)
        restore = find_program("pg_restore", self.bindir)
        where = ["--dbname", database, "--role", owner, "--no-owner", "--no-privileges", "--exit-on-error"]
        async with aclosing(source()) as content:
            await feed(restore, where, content, server=self.server)
        privileges = await self._privileges(restore, source)
        for named, meant in ((owner_role(roles_of), owner), (app_role(roles_of), app)):
            privileges = privileges.replace(named, meant)
        async with self.connect(database) as connection:
            await run(connection, "SET ROLE %I", owner)
            if privileges:
                await connection.execute(privileges)
            await connection.execute("RESET ALL")
            await run(connection, "SET ROLE %I", owner)
            async with connection.transaction(readonly=True):
                return await contents_of(connection)

    async def _privileges(self, restore: str, source: Source) -> str:
        """The statements of the dump that grant and revoke; they stand at its beginning."""
        async with aclosing(source()) as content:
            listed = (await feed(restore, ["--list"], content)).decode()
        chosen = [line for line in listed.splitlines() if any(kind in line for kind in _PRIVILEGES) and not line.startswith(";")]
        if not chosen:
            return ""
        with tempfile.NamedTemporaryFile("w", suffix=".list") as names:
            names.write("\n".join(chosen) + "\n")
            names.flush()
            async with aclosing(source()) as content:
                script = (await feed(restore, ["--use-list", names.name, "--file=-"], content)).decode()
        # Lines for psql alone begin with a backslash.
        return "\n".join(line for line in script.splitlines() if not line.startswith("\\"))

    async def swap(self, tenant_id: UUID, database: str) -> None:
        own = database_name(tenant_id)
        old = f"{own}_old"
        async with self.connect("") as admin:
            if await admin.fetchval(_EXISTS, database):
                await drop_database(admin, old)
                there = await admin.fetchval(_EXISTS, own)
                for name in (own, database) if there else (database,):
                    await empty(admin, name)
                async with admin.transaction():
                    if there:
                        await run(admin, "ALTER DATABASE %I RENAME TO %I", own, old)
                    await run(admin, "ALTER DATABASE %I RENAME TO %I", database, own)
            await run(admin, "ALTER DATABASE %I ALLOW_CONNECTIONS true", own)
            await drop_database(admin, old)

"""Which PostgreSQL the platform uses, and what must exist there before it starts: its own database and two plain roles.

The superuser of an embedded server is used here and nowhere else. The platform's processes get a role that owns their database, and
one that may create roles and databases for tenants; that is all a managed server would give them either.
"""

import asyncio
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from control_plane.deployers.local.placement import write_private
from control_plane.embedded.layout import EmbeddedError, Layout
from dentalpin_kit.postgres import Address, EmbeddedServer, PostgresError

PLATFORM, ADMIN = "dentalpin_platform", "dentalpin_admin"
MINIMUM_VERSION = 150000
RESTART_PAUSES = (0.2, 0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Databases:
    platform_url: str
    admin_url: str
    description: str
    bindir: Path | None
    server: EmbeddedServer | None
    """The server that was started here; None for one that was given by DATABASE_URL."""


async def prepare(layout: Layout) -> Databases:
    """The databases to use, ready to be migrated. Raises EmbeddedError."""
    try:
        if given := os.environ.get("DATABASE_URL"):
            return await _given(given)
        return await _embedded(layout)
    except PostgresError as error:
        raise EmbeddedError(str(error)) from error


async def _given(url: str) -> Databases:
    admin_url = os.environ.get("TENANT_DATABASE_ADMIN_URL", url)
    parts = urlsplit(url)
    where = f"{parts.hostname}:{parts.port or 5432}"
    for address, needs_rights in ((url, False), (admin_url, True)):
        try:
            connection = await asyncpg.connect(address, timeout=10)
        except (OSError, asyncpg.PostgresError, TimeoutError, ValueError) as error:
            raise EmbeddedError(f"DATABASE_URL: PostgreSQL at {where} cannot be used: {error}") from error
        try:
            version = await connection.fetchval("SELECT current_setting('server_version_num')::int")
            rights = await connection.fetchval(
                "SELECT rolsuper OR (rolcreaterole AND rolcreatedb) FROM pg_roles WHERE rolname = current_user"
            )
        finally:
            await connection.close()
        if version < MINIMUM_VERSION:
            raise EmbeddedError(f"DATABASE_URL: PostgreSQL at {where} is version {version // 10000}; 15 or newer is needed.")
        if needs_rights and not rights:
            raise EmbeddedError(
                f"The role {urlsplit(address).username} at {where} may not create tenants' databases. "
                f"Allow it (ALTER ROLE … CREATEROLE CREATEDB) or name another one in TENANT_DATABASE_ADMIN_URL."
            )
    forced = os.environ.get("PG_BINDIR")
    return Databases(url, admin_url, f"PostgreSQL {version // 10000} at {where}", Path(forced) if forced else None, None)


async def _embedded(layout: Layout) -> Databases:
    forced = os.environ.get("PG_BINDIR")
    server = EmbeddedServer(layout.postgres, bindir=Path(forced) if forced else None)
    address = await asyncio.to_thread(_start, server)
    platform, admin = (_password(layout, name) for name in (PLATFORM, ADMIN))
    connection = await asyncpg.connect(address.url(), timeout=30)
    try:
        await _ensure_role(connection, PLATFORM, platform, "NOCREATEROLE NOCREATEDB")
        await _ensure_role(connection, ADMIN, admin, "CREATEROLE CREATEDB")
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", PLATFORM):
            await connection.execute(f"CREATE DATABASE {PLATFORM} OWNER {PLATFORM}")
        # Tenants' roles live on this server too; nothing but their own database is their business.
        await connection.execute(f"REVOKE CONNECT ON DATABASE {PLATFORM}, postgres FROM PUBLIC")
        await connection.execute(f"GRANT CONNECT ON DATABASE postgres TO {ADMIN}")
    finally:
        await connection.close()
    return Databases(
        Address(address.host, address.port, PLATFORM, platform).url(PLATFORM),
        Address(address.host, address.port, ADMIN, admin).url(),
        f"PostgreSQL {server.binaries.major} on port {address.port}",
        server.binaries.bindir,
        server,
    )


def _start(server: EmbeddedServer) -> Address:
    """Start the server. After a kill its remaining processes hold its memory for a moment, and it says so by refusing."""
    for pause in RESTART_PAUSES:
        try:
            return server.start()
        except PostgresError:
            if not (server.data / "PG_VERSION").exists():
                raise
            time.sleep(pause)
    return server.start()


async def _ensure_role(connection: "asyncpg.Connection[asyncpg.Record]", name: str, password: str, rights: str) -> None:
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name):
        await connection.execute(f"CREATE ROLE {name} LOGIN")
    # The password is of our own making (URL-safe characters), so it needs no quoting.
    await connection.execute(f"ALTER ROLE {name} NOSUPERUSER NOBYPASSRLS {rights} PASSWORD '{password}'")


def _password(layout: Layout, name: str) -> str:
    file = layout.keys / f"{name}.password"
    if not file.exists():
        write_private(file, secrets.token_urlsafe(32))
    return file.read_text(encoding="utf-8").strip()

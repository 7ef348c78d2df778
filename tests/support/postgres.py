"""One PostgreSQL server per test run, databases per test.

The server is started by the first worker that needs it, shared by all, and stopped by the last. Databases are made from templates,
which takes some 40 ms. The administrator that tests see is a plain role with CREATEROLE and CREATEDB, as in production: never a superuser.
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

import asyncpg
import pytest

from control_plane.embedded.postgres import Address, EmbeddedServer

ADMIN = "dentalpin_admin"
OWNER, APP = "tenant_owner", "tenant_app"
PASSWORD = "only-for-tests"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Postgres:
    """The shared server: `admin_url` is a plain CREATEROLE CREATEDB role; `superuser_url` is for set-up and assertions only."""

    address: Address
    bindir: Path
    folder: Path

    @property
    def admin_url(self) -> str:
        return self.url(ADMIN, "postgres")

    @property
    def superuser_url(self) -> str:
        return self.address.url()

    def url(self, user: str, database: str) -> str:
        return Address(self.address.host, self.address.port, user, PASSWORD).url(database)


@dataclass(frozen=True, slots=True)
class TenantDatabase:
    """A database as a tenant has it: an owner role that migrates, a request role that cannot bypass row-level security."""

    name: str
    owner_url: str
    app_url: str
    bindir: Path


def run_sql(url: str, *statements: str) -> None:
    """Execute statements one by one, each committed by itself."""

    async def execute() -> None:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    in_fresh_loop(execute)


def fetch_value(url: str, query: str, *arguments: object) -> object:
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
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _users(folder: Path) -> list[str]:
    return [entry.name for entry in folder.glob("user-*") if Path(f"/proc/{entry.name.removeprefix('user-')}").exists()]


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "postgres"
    forced = os.environ.get("PG_BINDIR")
    server = EmbeddedServer(folder / "server", durable=False, bindir=Path(forced) if forced else None)
    mine = folder / f"user-{os.getpid()}"
    with _locked(folder):
        shared = Postgres(server.start(), server.binaries.bindir, folder)
        if not (folder / "prepared").exists():
            run_sql(
                shared.superuser_url,
                f"CREATE ROLE {ADMIN} LOGIN CREATEROLE CREATEDB PASSWORD '{PASSWORD}'",
                f"CREATE ROLE {OWNER} LOGIN PASSWORD '{PASSWORD}'",
                f"CREATE ROLE {APP} LOGIN PASSWORD '{PASSWORD}'",
                f"GRANT {OWNER}, {APP} TO {ADMIN}",
            )
            (folder / "prepared").touch()
        mine.touch()
    yield shared
    with _locked(folder):
        mine.unlink(missing_ok=True)
        if not _users(folder):
            server.stop()
            shutil.rmtree(folder / "server", ignore_errors=True)
            (folder / "prepared").unlink(missing_ok=True)


def create_database(postgres: Postgres, *, owner: str, template: str = "template0") -> str:
    name = f"t_{secrets.token_hex(6)}"
    run_sql(
        postgres.superuser_url,
        f"CREATE DATABASE {name} OWNER {owner} TEMPLATE {template}",
        f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE {name} TO {owner}, {APP}",
    )
    return name


def drop_database(postgres: Postgres, name: str) -> None:
    run_sql(postgres.superuser_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def tenant_database_of(postgres: Postgres, name: str) -> TenantDatabase:
    return TenantDatabase(name, postgres.url(OWNER, name), postgres.url(APP, name), postgres.bindir)


def make_template(postgres: Postgres, name: str, fill: Callable[[TenantDatabase], None], *, owner: str = OWNER) -> str:
    """The template database `name`, made once per server by `fill`; a fill that fails leaves none.

    `fill` must close its connections: PostgreSQL copies only from a database that nobody uses.
    """
    with _locked(postgres.folder / f"template-{name}"):
        if fetch_value(postgres.superuser_url, "SELECT 1 FROM pg_database WHERE datname = $1", name) is None:
            draft = create_database(postgres, owner=owner)
            try:
                fill(tenant_database_of(postgres, draft))
                run_sql(postgres.superuser_url, f"ALTER DATABASE {draft} RENAME TO {name}")
            except BaseException:
                drop_database(postgres, draft)
                raise
    return name


@contextmanager
def database_from(postgres: Postgres, template: str, *, owner: str = OWNER) -> Iterator[TenantDatabase]:
    """A database of one's own, copied from a template, dropped at the end."""
    name = create_database(postgres, owner=owner, template=template)
    try:
        yield tenant_database_of(postgres, name)
    finally:
        drop_database(postgres, name)


@pytest.fixture
def tenant_database(postgres: Postgres) -> Iterator[TenantDatabase]:
    """An empty tenant database; nothing has been migrated."""
    with database_from(postgres, "template0") as database:
        yield database


@pytest.fixture
def platform_database(postgres: Postgres) -> Iterator[TenantDatabase]:
    """An empty database for the control plane's own tables; `.owner_url` is its URL."""
    with database_from(postgres, "template0", owner=ADMIN) as database:
        url = postgres.url(ADMIN, database.name)
        yield TenantDatabase(database.name, url, url, postgres.bindir)

"""The suite's PostgreSQL server: that of the plugin, with an administrator who is no superuser.

The administrator that tests see is a plain role with CREATEROLE and CREATEDB, as in production: never a superuser.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from app.testing.fixtures import shared_folder
from app.testing.server import (
    Server,
    TenantDatabase,
    create_database,
    database_from,
    drop_database,
    fetch_value,
    in_fresh_loop,
    locked,
    make_template,
    own_server,
    run_sql,
)

__all__ = [
    "ADMIN",
    "APP",
    "OWNER",
    "PASSWORD",
    "Postgres",
    "TenantDatabase",
    "create_database",
    "database_from",
    "drop_database",
    "fetch_value",
    "in_fresh_loop",
    "make_template",
    "run_sql",
]

ADMIN = "dentalpin_admin"
OWNER, APP = "tenant_owner", "tenant_app"
PASSWORD = "only-for-tests"


@dataclass(frozen=True, slots=True)
class Postgres(Server):
    """The shared server: `admin_url` is a plain CREATEROLE CREATEDB role; `superuser_url` is for set-up and assertions only."""

    @property
    def admin_url(self) -> str:
        return self.url(ADMIN, "postgres")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with own_server(shared_folder(tmp_path_factory)) as server:
        shared = Postgres(server.superuser_url, server.bindir, server.folder, OWNER, APP, PASSWORD)
        with locked(server.folder):
            if fetch_value(shared.superuser_url, "SELECT 1 FROM pg_roles WHERE rolname = $1", ADMIN) is None:
                run_sql(
                    shared.superuser_url,
                    f"CREATE ROLE {ADMIN} LOGIN CREATEROLE CREATEDB PASSWORD '{PASSWORD}'",
                    f"GRANT {OWNER}, {APP} TO {ADMIN}",
                )
        yield shared


@pytest.fixture(scope="session")
def postgres_server(postgres: Postgres) -> Postgres:
    """The plugin's fixtures use the same server."""
    return postgres


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

"""What is there before the platform starts: its database, and a role that may make tenants' and no more."""

import asyncpg
import pytest

from control_plane.embedded import databases
from control_plane.embedded.layout import EmbeddedError, Layout


@pytest.fixture
def layout(tmp_path, monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("TENANT_DATABASE_ADMIN_URL", raising=False)
    found = Layout(tmp_path / "var")
    found.make()
    return found


async def test_the_platform_gets_a_database_and_a_plain_administrator(layout):
    first = await databases.prepare(layout)
    try:
        again = await databases.prepare(layout)
        platform = await asyncpg.connect(first.platform_url)
        admin = await asyncpg.connect(first.admin_url)

        assert (again.platform_url, again.admin_url) == (first.platform_url, first.admin_url)
        rights = "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        assert tuple(await platform.fetchrow(rights)) == (False, False, False, False)
        assert tuple(await admin.fetchrow(rights)) == (False, True, True, False)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(first.admin_url.rpartition("/")[0] + "/dentalpin_platform")
        await platform.close()
        await admin.close()
        assert all(file.stat().st_mode & 0o077 == 0 for file in layout.keys.iterdir())
    finally:
        first.server.stop()


async def test_a_given_server_is_used_and_nothing_is_started(layout, postgres, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", postgres.admin_url)

    found = await databases.prepare(layout)

    assert (found.platform_url, found.admin_url, found.server) == (postgres.admin_url, postgres.admin_url, None)
    assert not layout.postgres.exists()


async def test_a_given_role_that_cannot_make_databases_is_refused_with_what_to_do(layout, tenant_database, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", tenant_database.app_url)

    with pytest.raises(EmbeddedError, match="CREATEROLE CREATEDB"):
        await databases.prepare(layout)


async def test_a_server_that_does_not_answer_is_named(layout, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://somebody:secret@127.0.0.1:1/dentalpin")

    with pytest.raises(EmbeddedError, match=r"127\.0\.0\.1:1") as refused:
        await databases.prepare(layout)
    assert "secret" not in str(refused.value)


async def test_binaries_of_another_major_are_refused_with_what_to_do(layout, monkeypatch):
    layout.postgres.joinpath("data").mkdir(parents=True)
    layout.postgres.joinpath("data", "PG_VERSION").write_text("12\n")

    with pytest.raises(EmbeddedError, match="PostgreSQL 12, which made the data folder"):
        await databases.prepare(layout)

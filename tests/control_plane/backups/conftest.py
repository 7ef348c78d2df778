"""A worker over a real database server, and a clinic with tables of its own."""

from uuid import UUID

import asyncpg
import pytest

from control_plane.databases.names import database_name, owner_role
from control_plane.operations.steps.base import Tools
from tests.control_plane.operations.conftest import databases, end_leases, operation_of, order, provisioned, shown, worker

__all__ = ["databases", "end_leases", "operation_of", "order", "provisioned", "shown", "worker"]

TABLES = """
    CREATE TABLE alembic_version (version_num text PRIMARY KEY);
    INSERT INTO alembic_version VALUES ('0006');
    CREATE TABLE patient (id int PRIMARY KEY, name text);
    INSERT INTO patient SELECT n, 'Ñuño ' || n FROM generate_series(1, 50) n;
"""


@pytest.fixture
def tools(platform, databases):
    return Tools(platform, databases)


@pytest.fixture
def sql(postgres):
    """Ask a tenant's database something, as its owner."""

    async def sql(tenant, statement):
        tenant_id = UUID(tenant["id"])
        connection = await asyncpg.connect(postgres.url("dentalpin_admin", database_name(tenant_id)))
        try:
            await connection.execute(f"SET ROLE {owner_role(tenant_id)}")
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return sql


@pytest.fixture
async def clinic(provisioned, postgres):
    """An active tenant whose database holds fifty patients."""
    tenant = await provisioned()
    tenant_id = UUID(tenant["id"])
    connection = await asyncpg.connect(postgres.url("dentalpin_admin", database_name(tenant_id)))
    await connection.execute(f"SET ROLE {owner_role(tenant_id)}")
    await connection.execute(TABLES)
    await connection.close()
    return tenant


@pytest.fixture
def backed_up(client, worker):
    """Take a backup now; it as the API shows it."""

    async def backed_up(slug="sol"):
        asked = await client.post(f"/v1/tenants/{slug}/backups")
        assert asked.status_code == 202, asked.text
        await worker.drain()
        operation = (await client.get(f"/v1/operations/{asked.json()['id']}")).json()
        assert operation["state"] == "succeeded", operation
        return (await client.get(f"/v1/tenants/{slug}/backups/{operation['result']['backup']}")).json()

    return backed_up

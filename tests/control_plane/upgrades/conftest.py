"""A worker with a deployer that runs nothing, a real database server, and a clinic whose next release stands ready."""

from uuid import UUID

import asyncpg
import pytest

from control_plane.databases import SharedServer
from control_plane.databases.names import database_name, owner_role
from control_plane.operations.worker import Worker
from tests.support.platform import MODULES, RuntimeEnvironment, module


@pytest.fixture
def databases(postgres):
    return SharedServer(postgres.admin_url, bindir=postgres.bindir)


@pytest.fixture
def worker(platform, databases):
    return Worker(platform, databases, name="worker-1")


@pytest.fixture
async def provisioned(client, worker, databases):
    body = {"name": "Clínica Sol", "slug": "sol", "country": "ES", "owner_email": "ana@sol.example", "modules": ["agenda"]}
    answer = await client.post("/v1/tenants", json=body)
    assert answer.status_code == 202, answer.text
    tenant_id = UUID(answer.json()["tenant"]["id"])
    await worker.drain()
    yield tenant_id
    await databases.drop(tenant_id)


@pytest.fixture
async def next_env(tmp_path):
    environment = RuntimeEnvironment(tmp_path / "newer-env")
    environment.describe({**MODULES, "agenda": module("1.1.0", "patients")}, core_version="1.1.0")
    return environment


@pytest.fixture
async def register(client):
    async def register(environment):
        answer = await client.post("/v1/releases", json={"environment": str(environment.folder)})
        assert answer.status_code in (200, 201), answer.text
        return answer.json()["id"]

    return register


@pytest.fixture
def shown(client):
    async def shown():
        return (await client.get("/v1/tenants/sol")).json()

    return shown


@pytest.fixture
def sql(postgres):
    """Do something in the clinic's own database, as the role that owns it."""

    async def sql(tenant_id, statement):
        url = postgres.admin_url.rsplit("/", 1)[0] + f"/{database_name(tenant_id)}"
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(f'SET ROLE "{owner_role(tenant_id)}"')
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    return sql

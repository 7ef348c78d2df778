"""A worker with a deployer that runs nothing and a real database server."""

from uuid import UUID

import pytest
from sqlalchemy import text

from control_plane.databases import SharedServer
from control_plane.operations.worker import Worker


@pytest.fixture
def databases(postgres):
    return SharedServer(postgres.admin_url, bindir=postgres.bindir)


@pytest.fixture
def worker(platform, databases):
    return Worker(platform, databases, name="worker-1")


@pytest.fixture
async def order(client, databases):
    """Ask for a tenant; what it leaves on the database server is dropped after the test."""
    made = []

    async def order(**changes):
        body = {"name": "Clínica Sol", "slug": "sol", "country": "ES", "owner_email": "ana@sol.example", "modules": ["agenda"], **changes}
        response = await client.post("/v1/tenants", json=body)
        assert response.status_code == 202, response.text
        made.append(response.json()["tenant"]["id"])
        return response.json()

    yield order
    for tenant_id in made:
        await databases.drop(UUID(tenant_id))


@pytest.fixture
def shown(client):
    async def shown(slug="sol"):
        return (await client.get(f"/v1/tenants/{slug}")).json()

    return shown


@pytest.fixture
def operation_of(client):
    async def operation_of(answer):
        return (await client.get(f"/v1/operations/{answer['operation']['id']}")).json()

    return operation_of


@pytest.fixture
def provisioned(order, worker, shown):
    async def provisioned(**changes):
        started = await order(**changes)
        await worker.drain()
        return await shown(started["tenant"]["slug"])

    return provisioned


@pytest.fixture
def end_leases(platform):
    """What ten seconds of silence do to a worker's leases."""

    async def end_leases():
        async with platform.database.transaction() as session:
            await session.execute(text("UPDATE tenant_lease SET until = clock_timestamp() WHERE until IS NOT NULL"))

    return end_leases

"""A worker with a deployer that runs nothing and a real database server."""

from uuid import UUID

import pytest

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
        body = {"name": "Clínica Sol", "country": "ES", "owner_email": "ana@sol.example", "modules": ["agenda"], **changes}
        response = await client.post("/v1/tenants", json=body)
        assert response.status_code == 202, response.text
        made.append(response.json()["tenant"]["id"])
        return response.json()

    yield order
    for tenant_id in made:
        await databases.drop(UUID(tenant_id))


@pytest.fixture
def shown(client):
    async def shown(slug):
        return (await client.get(f"/v1/tenants/{slug}")).json()

    return shown


@pytest.fixture
def provisioned(order, worker, shown):
    async def provisioned(**changes):
        started = await order(**changes)
        await worker.drain()
        return await shown(started["tenant"]["slug"])

    return provisioned

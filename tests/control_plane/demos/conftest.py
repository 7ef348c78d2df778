"""Demonstrations over a deployer that runs nothing and a real database server."""

from uuid import UUID

import pytest

from control_plane.passes import PASSES
from control_plane.passes.running import make_due, run_due
from tests.control_plane.operations.conftest import databases, shown, worker
from tests.control_plane.resellers.conftest import luna, north, south

__all__ = ["databases", "luna", "north", "shown", "south", "worker"]


def new_demo(slug: str = "muestra", **body) -> dict:
    return {"name": slug, "slug": slug, "country": "ES", "owner_email": f"{slug}@north.example", "modules": ["agenda"], **body}


@pytest.fixture
async def opened(client, databases, worker):
    """A demonstration that runs; what it leaves on the database server is dropped after the test."""
    made = []

    async def opened(slug="muestra", *, headers=None, **body):
        answer = await client.post("/v1/demos", json=new_demo(slug, **body), headers=headers)
        assert answer.status_code == 202, answer.text
        made.append(answer.json()["demo"]["tenant_id"])
        await worker.drain()
        return answer.json()["demo"]

    yield opened
    for tenant_id in made:
        await databases.drop(UUID(tenant_id))


@pytest.fixture
def looks(worker, client):
    """The pass runs, and the worker does what it began; the demonstration as it is then."""

    async def looks(slug="muestra", *, passes=("demos",)):
        for name in passes:
            await make_due(worker._tools, name)
            assert await run_due(worker._tools, "worker-1", passes=[one for one in PASSES if one.name == name])
        await worker.drain()
        return next(one for one in (await client.get("/v1/demos")).json()["items"] if one["slug"] == slug)

    return looks

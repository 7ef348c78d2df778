"""The demonstration clinic, when something stands in its way."""

from uuid import UUID

import httpx2
import pytest

from control_plane.databases import SharedServer
from control_plane.embedded import demo
from control_plane.embedded.layout import EmbeddedError, Facts, Options
from control_plane.embedded.parent import Parent
from control_plane.operations.worker import Worker

FACTS = Facts("127.0.0.1", 8000, "http://127.0.0.1:8000", "env")


@pytest.fixture
async def databases(postgres, client):
    server = SharedServer(postgres.admin_url, bindir=postgres.bindir)
    yield server
    found = await client.get(f"/v1/tenants/{demo.SLUG}")
    if found.is_success:
        await server.drop(UUID(found.json()["id"]))


@pytest.fixture
def worker(platform, databases):
    return Worker(platform, databases, name="worker-1")


async def ask(client, monkeypatch):
    """One `up --demo` that does not wait; what it said when it gave up."""
    monkeypatch.setattr(demo, "OPERATION_SECONDS", 0.0)
    with pytest.raises(EmbeddedError) as gave_up:
        await demo._provisioned(client, [].append)
    return str(gave_up.value)


@pytest.mark.parametrize("error", [EmbeddedError("no space left"), httpx2.ReadTimeout("no space left")])
async def test_a_demo_that_cannot_be_made_is_said_and_the_platform_goes_on(tmp_path, monkeypatch, error):
    async def fails(*_):
        raise error

    monkeypatch.setattr(demo, "ensure_demo", fails)
    said = []

    parent = Parent(Options(tmp_path, "127.0.0.1", None, None, True), said.append)
    await parent._demonstrate(FACTS)

    assert "no space left" in said[0]
    assert "./dev up --demo" in said[0]
    assert parent.demo_problem == "no space left"


async def test_a_demo_that_takes_long_says_where_to_look(client, monkeypatch):
    assert f"bin/dentalpin-cloud tenants get {demo.SLUG}" in await ask(client, monkeypatch)


async def test_a_demo_that_failed_is_taken_up_again_by_the_next_start(client, worker, deployer, clock, monkeypatch):
    await ask(client, monkeypatch)
    tenant_id = UUID((await client.get(f"/v1/tenants/{demo.SLUG}")).json()["id"])
    deployer.behave(tenant_id, fails="no space left")
    await worker.drain()
    clock.advance(minutes=16)
    await worker.drain()
    assert (await client.get(f"/v1/tenants/{demo.SLUG}")).json()["state"] == "failed"

    deployer.behave(tenant_id)
    await ask(client, monkeypatch)
    await worker.drain()

    assert (await client.get(f"/v1/tenants/{demo.SLUG}")).json()["state"] == "active"

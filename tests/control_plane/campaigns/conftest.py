"""A fleet on the simulated deployer, two releases, and a worker that works when it is told to."""

import json
from dataclasses import replace

import pytest

from app.testing.clock import TestClock
from control_plane.campaigns.driving import drive_campaigns
from control_plane.main import read_release
from control_plane.operations.steps import Tools
from control_plane.operations.worker import Worker
from control_plane.platform import Platform
from control_plane.releases import service as releases
from control_plane.releases.channels import Channel
from control_plane.simulators.databases import SimulatedDatabases
from control_plane.simulators.deployer import SimulatedDeployer
from control_plane.simulators.fleet import populate
from dentalpin_kit.canonical import digest_text
from tests.support.platform import MODULES, api_of

NIGHT = "2026-11-22T01:00:00+00:00"
"""Two in the morning in Madrid: every clinic's usual window is open."""


@pytest.fixture
def clock():
    return TestClock(NIGHT)


@pytest.fixture
def databases(clock):
    return SimulatedDatabases(clock)


@pytest.fixture
def deployer(databases, clock):
    return SimulatedDeployer(databases, clock)


@pytest.fixture
async def platform(platform_settings, clock, deployer, databases):
    settings = platform_settings.model_copy(update={"operators_mail": "ops@dentalpin.example"})
    built = Platform.build(settings, clock=clock, deployer=deployer)
    platform = replace(built, servers=databases)
    await read_release(platform)
    yield platform
    await platform.close()


@pytest.fixture
async def client(platform):
    async with api_of(platform) as client:
        yield client


@pytest.fixture
def tools(platform, databases):
    return Tools(platform, databases)


@pytest.fixture
def worker(platform, databases):
    return Worker(platform, databases, name="worker-1")


@pytest.fixture
async def newer(platform, tmp_path, clock):
    """Another release, with the same modules."""
    document = {"schema": 1, "core_version": "1.1.0", "modules": MODULES, "unusable": {}, "schemas": {}}
    release_id = digest_text(json.dumps(document))
    async with platform.database.transaction() as session:
        await releases.register(session, release_id, document, environment=tmp_path / "env-newer", at=clock.now(), channel=Channel.EARLY)
    return release_id


@pytest.fixture
def fleet(platform, deployer):
    """Tenants in use, by slug."""

    async def fleet(count):
        made = await populate(platform, deployer, count)
        return {f"clinic-{number}": tenant_id for number, tenant_id in enumerate(made)}

    return fleet


@pytest.fixture
def campaign(client, newer):
    """Create a campaign to the newer release and start it."""

    async def campaign(**strategy):
        usual = {"canary": 0, "waves": [], "parallel": 10, "halt_least": 3}
        body = {"name": "To 1.1", "release": newer, "strategy": {**usual, **strategy}}
        made = await client.post("/v1/campaigns", json=body)
        assert made.status_code == 201, made.text
        started = await client.post(f"/v1/campaigns/{made.json()['id']}/start")
        assert started.status_code == 202, started.text
        return started.json()

    return campaign


@pytest.fixture
def shown(client):
    async def shown(campaign):
        return (await client.get(f"/v1/campaigns/{campaign['id']}")).json()

    return shown


@pytest.fixture
def members(client):
    async def members(campaign, **query):
        answer = await client.get(f"/v1/campaigns/{campaign['id']}/members", params={"limit": 200, **query})
        assert answer.status_code == 200, answer.text
        return {member["tenant"]: member for member in answer.json()["items"]}

    return members


@pytest.fixture
def go_on(tools, worker, clock):
    """Let the platform work for a while: campaigns are driven and operations carried out, a few seconds at a time."""

    async def go_on(rounds=1, *, seconds=3):
        for _ in range(rounds):
            await drive_campaigns(tools)
            await worker.drain()
            clock.advance(seconds=seconds)
        await drive_campaigns(tools)

    return go_on


@pytest.fixture
def until(go_on, shown):
    """Let the platform work until the campaign is in this state."""

    async def until(campaign, state, *, rounds=60, seconds=3):
        for _ in range(rounds):
            now = await shown(campaign)
            if now["state"] == state:
                return now
            await go_on(seconds=seconds)
        raise AssertionError(f"still {now['state']}: {now}")

    return until


@pytest.fixture(autouse=True)
def no_watching(monkeypatch):
    """An attempt to attest looks once and comes up for air."""
    monkeypatch.setattr("control_plane.operations.steps.provisioning.WATCH_SECONDS", 0)

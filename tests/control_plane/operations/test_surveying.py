"""The whole fleet is looked at at once: what differs is compared by itself, and nothing is written about the rest."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from app.testing.clock import TestClock
from control_plane.deployers.base import DeployerUnavailable, Glimpse, ObservationStatus
from control_plane.main import read_release
from control_plane.operations.steps import Tools
from control_plane.operations.surveying import differs, survey
from control_plane.operations.worker import Worker
from control_plane.platform import Platform
from control_plane.simulators.databases import SimulatedDatabases
from control_plane.simulators.deployer import Rule, SimulatedDeployer
from control_plane.simulators.fleet import populate

SAME = {"desired": "e1", "status": "attested", "generation": 1, "proved": "e1"}


@pytest.mark.parametrize(
    ("glimpse", "known", "different"),
    [
        (Glimpse(ObservationStatus.ATTESTED, 1), {}, False),
        (Glimpse(ObservationStatus.IDLE, 1), {"status": "idle"}, False),
        (Glimpse(ObservationStatus.IDLE, 1), {}, True),
        (Glimpse(ObservationStatus.FAILED, 1), {}, True),
        (Glimpse(ObservationStatus.ATTESTED, 2), {}, True),
        (Glimpse(ObservationStatus.ATTESTED, 1), {"desired": "e2"}, True),
        (Glimpse(ObservationStatus.ABSENT), {"status": None, "generation": None, "proved": None}, True),
    ],
)
def test_what_counts_as_a_difference(glimpse, known, different):
    assert differs(glimpse, **{**SAME, **known}) is different


@pytest.fixture
def clock():
    return TestClock()


@pytest.fixture
def databases(clock):
    return SimulatedDatabases(clock)


@pytest.fixture
def deployer(databases, clock):
    return SimulatedDeployer(databases, clock)


@pytest.fixture
async def platform(platform_settings, clock, deployer, databases):
    platform = replace(Platform.build(platform_settings, clock=clock, deployer=deployer), servers=databases)
    await read_release(platform)
    yield platform
    await platform.close()


@pytest.fixture
async def fleet(platform, deployer, databases, clock):
    """Five tenants that a worker has compared just now."""
    tenants = await populate(platform, deployer, 5)
    worker = Worker(platform, databases)
    while await worker.reconcile_once():
        pass
    return tenants


@pytest.fixture
def written(platform):
    """The rows of leases and observations as they stand, to see whether anything wrote to them."""

    async def written():
        async with platform.database.transaction() as session:
            query = text(
                "SELECT tenant_id, xmin::text, reconcile_at FROM tenant_lease UNION ALL SELECT tenant_id, xmin::text, NULL FROM observation"
            )
            return {tuple(row) for row in await session.execute(query)}

    return written


async def test_nothing_is_written_where_everything_is_as_it_was(platform, databases, deployer, fleet, written):
    before, calls = await written(), deployer.calls
    await survey(Tools(platform, databases))
    assert await written() == before
    assert deployer.calls == calls + 1, "one question for all of them"


async def test_one_that_fails_is_compared_at_once_and_the_others_are_not(platform, databases, deployer, fleet, clock):
    deployer.rules = [Rule(frozenset(fleet[:1]), fails="disk full")]
    clock.advance(seconds=15)
    worker = Worker(platform, databases)
    await survey(Tools(platform, databases))

    assert [await worker.reconcile_once() for _ in range(2)] == [True, False]
    async with platform.database.transaction() as session:
        found = await session.execute(text("SELECT tenant_id, status, reason FROM observation WHERE status <> 'attested'"))
        assert [tuple(row) for row in found] == [(fleet[0], "failed", "disk full")]


async def test_a_deployer_that_is_away_tells_nothing_about_anybody(platform, databases, deployer, fleet, written):
    before = await written()
    deployer.rules = [Rule(away="no supervisor")]
    with pytest.raises(DeployerUnavailable):
        await survey(Tools(platform, databases))
    assert await written() == before

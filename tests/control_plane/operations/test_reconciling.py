"""What no request announced is noticed by comparing desired with observed."""

from uuid import UUID

import pytest


@pytest.fixture
def compared(worker, clock):
    async def compared():
        clock.advance(minutes=20)
        while await worker.reconcile_once():
            pass
        await worker.drain()

    return compared


def applied(deployer):
    return [what for _, what in deployer.log() if what.startswith("apply")]


async def test_a_tenant_as_desired_is_left_alone(provisioned, compared, deployer, shown):
    before = await provisioned()
    await compared()
    after = await shown()

    assert applied(deployer) == ["apply 1"]
    assert after["operation"]["id"] == before["operation"]["id"]
    assert after["observed"]["observed_at"] > before["observed"]["observed_at"]


async def test_an_idle_tenant_is_neither_woken_nor_worked_on(provisioned, compared, deployer, shown):
    before = await provisioned()
    deployer.behave(UUID(before["id"]), idle=True)
    await compared()
    after = await shown()

    assert after["operation"]["id"] == before["operation"]["id"]
    assert (after["observed"]["status"], after["in_sync"]) == ("idle", True)


async def test_a_tenant_that_vanished_is_deployed_again(provisioned, compared, deployer, shown):
    tenant = await provisioned()
    deployer.folder.joinpath(f"{tenant['id']}.json").write_text('{"secrets": true}')
    await compared()

    after = await shown()
    assert applied(deployer) == ["apply 1", "apply 1"]
    assert (after["state"], after["operation"]["kind"], after["operation"]["created_by"]) == ("active", "change_modules", "platform:worker")


async def test_a_failing_tenant_gets_one_operation_then_waits_for_a_person_or_comes_round(
    provisioned, compared, deployer, clock, worker, shown
):
    tenant = await provisioned()
    deployer.behave(UUID(tenant["id"]), modules={"agenda": "error"})
    await compared()
    clock.advance(minutes=16)
    await worker.drain()
    stuck = await shown()
    await compared()
    still = await shown()
    deployer.behave(UUID(tenant["id"]))
    await compared()

    assert stuck["state"] == "degraded"
    assert "agenda" in stuck["reason"]
    assert still["operation"]["id"] == stuck["operation"]["id"]
    assert (await shown())["state"] == "active"


async def test_a_deployer_that_is_away_changes_nothing(provisioned, compared, deployer, shown):
    tenant = await provisioned()
    deployer.behave(UUID(tenant["id"]), away="no supervisor")
    await compared()
    assert (await shown())["state"] == "active"

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
    deployer.folder.joinpath(f"{tenant['id']}.json").write_text('{"serials": [0]}')
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


@pytest.fixture
def forgotten(deployer):
    """As after the platform's database was put back: the runtime runs a later generation, with a module more, of which no row tells."""

    def forgotten(tenant, *modules, generation=7):
        tenant_id = UUID(tenant["id"])
        revision = deployer.told(tenant_id)["revision"]
        further = [{**revision["modules"][0], "name": name, "version": "0.1.0"} for name in modules]
        digests = {"identity": "sha256:" + "1" * 64, "effect": "sha256:" + "2" * 64}
        ahead = {**revision, "generation": generation, "modules": [*revision["modules"], *further], "digests": digests}
        deployer._write(tenant_id, revision=ahead)

    return forgotten


async def test_a_runtime_ahead_of_the_platforms_memory_keeps_what_it_runs(provisioned, forgotten, compared, deployer, shown, client):
    tenant = await provisioned()
    forgotten(tenant, "inventory")
    await compared()

    after = await shown()
    assert (after["state"], after["in_sync"], after["desired"]["revision"]) == ("active", True, 8)
    assert after["chosen"] == ["agenda", "inventory"]
    assert applied(deployer) == ["apply 1", "apply 8"]
    ran = {module["name"] for module in deployer.told(UUID(tenant["id"]))["revision"]["modules"]}
    assert ran == {"agenda", "patients", "inventory"}
    (entry,) = (await client.get("/v1/audit", params={"action": "tenant.caught_up"})).json()["items"]
    assert entry["details"] | {"known": 1, "found": 7, "modules": ["inventory"]} == entry["details"]
    await compared()
    assert applied(deployer) == ["apply 1", "apply 8"], "it is caught up with once"


async def test_one_that_sleeps_ahead_of_it_is_asked_first(provisioned, forgotten, compared, deployer, shown):
    tenant = await provisioned()
    forgotten(tenant, "inventory")
    deployer.behave(UUID(tenant["id"]), idle=True)
    await compared()

    after = await shown()
    assert (after["state"], after["desired"]["revision"], after["chosen"]) == ("active", 8, ["agenda", "inventory"])


async def test_without_a_proof_of_what_it_runs_nothing_is_decided_about_it(provisioned, forgotten, compared, deployer, shown):
    tenant = await provisioned()
    forgotten(tenant, "inventory")
    deployer.behave(UUID(tenant["id"]), behind=True)
    await compared()

    assert (await shown())["chosen"] == ["agenda"]
    assert applied(deployer) == ["apply 1"]


async def test_a_tenant_degraded_by_it_comes_back_by_itself(provisioned, forgotten, compared, deployer, shown):
    tenant = await provisioned()
    forgotten(tenant, "inventory")
    deployer.behave(UUID(tenant["id"]), behind=True)
    await compared()
    degraded = await shown()
    deployer.behave(UUID(tenant["id"]))
    await compared()

    assert (degraded["state"], degraded["operation"]["error_code"]) == ("degraded", "runtime_refused")
    assert ((await shown())["state"], (await shown())["chosen"]) == ("active", ["agenda", "inventory"])

"""An upgrade ends on the new release, or back on the old one with the data there was."""

from uuid import UUID

import pytest

from tests.support.platform import MODULES, module


@pytest.fixture
def upgrade(client):
    async def upgrade(**wanted):
        answer = await client.post("/v1/tenants/sol/upgrade", json=wanted)
        assert answer.status_code == 202, answer.text
        return answer.json()["operation"]["id"]

    return upgrade


@pytest.fixture
def until_over(client, worker, clock):
    async def until_over(operation):
        for _ in range(80):
            await worker.drain()
            found = (await client.get(f"/v1/operations/{operation}")).json()
            if found["state"] not in ("queued", "running", "waiting"):
                return found
            clock.advance(seconds=2)
        raise AssertionError(found)

    return until_over


def states(operation):
    return {step["name"]: step["state"] for step in operation["steps"]}


async def test_a_clinic_is_upgraded_after_a_backup(provisioned, register, next_env, upgrade, until_over, shown, deployer):
    release = await register(next_env)

    operation = await until_over(await upgrade())
    tenant = await shown()

    assert operation["state"] == "succeeded"
    assert states(operation) == {"backup": "done", "plan": "done", "deploy": "done", "attest": "done"}
    assert (tenant["state"], tenant["in_sync"], tenant["observed"]["release"]) == ("active", True, release)
    assert {one["name"]: one["version"] for one in tenant["observed"]["modules"]}["agenda"] == "1.1.0"


async def test_one_that_fails_goes_back_with_the_data_there_was(
    provisioned, register, next_env, upgrade, until_over, shown, deployer, worker, sql
):
    old = (await shown())["desired"]["release"]
    await register(next_env)
    await sql(provisioned, "CREATE TABLE kept AS SELECT 'before' AS word")
    await sql(provisioned, "CREATE TABLE alembic_version AS SELECT 'agenda_0006' AS version_num")
    deployer.behave(provisioned, fails="migration 0007 of agenda: division by zero", when_release_is_not=old)
    operation = await upgrade()
    await worker.drain()
    await sql(provisioned, "UPDATE kept SET word = 'half way'")
    await sql(provisioned, "UPDATE alembic_version SET version_num = 'agenda_0007'")

    ended = await until_over(operation)
    tenant = await shown()

    assert ended["state"] == "rolled_back"
    assert "division by zero" in ended["reason"]
    assert (tenant["state"], tenant["in_sync"], tenant["desired"]["release"]) == ("active", True, old)
    assert tenant["desired"]["revision"] == 3
    assert await sql(provisioned, "SELECT word FROM kept") == [("before",)]


async def test_what_was_entered_meanwhile_stays_where_the_release_changed_nothing(
    provisioned, register, next_env, upgrade, until_over, shown, deployer, worker, sql
):
    old = (await shown())["desired"]["release"]
    await register(next_env)
    await sql(provisioned, "CREATE TABLE kept AS SELECT 'before' AS word")
    deployer.behave(provisioned, fails="migration 0007 of agenda: division by zero", when_release_is_not=old)
    operation = await upgrade()
    await worker.drain()
    await sql(provisioned, "INSERT INTO kept VALUES ('entered while the old release served on')")

    ended = await until_over(operation)

    assert (ended["state"], ended["result"]["put_back"]) == ("rolled_back", None)
    assert len(await sql(provisioned, "SELECT word FROM kept")) == 2


async def test_a_clinic_whose_tables_moved_on_meanwhile_is_not_touched(
    provisioned, register, next_env, upgrade, until_over, shown, deployer, worker
):
    before = (await shown())["desired"]
    await register(next_env)
    operation = await upgrade()
    deployer.behave(provisioned, versions={"agenda": "2.0.0"})
    await worker.drain()
    deployer.behave(provisioned)

    ended = await until_over(operation)

    assert (ended["state"], ended["failure"]["code"], ended["failure"]["step"]) == ("rolled_back", "release_unfit", "plan")
    assert "agenda 2.0.0 is installed" in ended["failure"]["reason"]
    assert (await shown())["desired"] == before


async def test_no_other_change_is_taken_in_the_middle_of_an_upgrade(provisioned, register, next_env, upgrade, client):
    await register(next_env)
    operation = await upgrade()

    changed = await client.put("/v1/tenants/sol/modules", json={"modules": ["inventory"]})
    again = await client.post("/v1/tenants/sol/upgrade", json={})

    assert (changed.status_code, changed.json()["code"], changed.json()["operation"]) == (409, "tenant_busy", operation)
    assert again.status_code == 409


async def test_an_upgrade_to_what_runs_already_begins_nothing(provisioned, client):
    assert (await client.post("/v1/tenants/sol/upgrade", json={})).status_code == 200


async def test_a_release_that_lacks_an_installed_module_is_refused(provisioned, register, next_env, client):
    next_env.describe({"patients": {"version": "1.0.0"}})
    release = await register(next_env)

    answer = await client.post("/v1/tenants/sol/upgrade", json={"release": release, "override": True})

    assert (answer.status_code, answer.json()["code"]) == (409, "release_unfit")
    assert [one["code"] for one in answer.json()["obstacles"]] == ["module_missing"]


async def test_our_own_rules_give_way_to_who_says_so(provisioned, register, next_env, client):
    release = await register(next_env)
    await client.put(f"/v1/releases/{release}/yank", json={"reason": "slow"})

    refused = await client.post("/v1/tenants/sol/upgrade", json={"release": release})
    done = await client.post("/v1/tenants/sol/upgrade", json={"release": release, "override": True})

    assert [one["code"] for one in refused.json()["obstacles"]] == ["release_yanked"]
    assert done.status_code == 202
    assert UUID(done.json()["operation"]["id"])


async def test_a_clinic_whose_environment_was_changed_follows_it(
    provisioned, runtime_environment, client, worker, shown, deployer, until_over, clock
):
    """An in-place change of packages: the runtime was started anew and says that it is another release."""
    runtime_environment.describe({**MODULES, "agenda": module("1.0.1", "patients")})
    new = (await client.post("/v1/releases/refresh")).json()["id"]
    deployer.behave(provisioned, versions={"agenda": "1.0.1"}, release=new)
    clock.advance(seconds=60)
    while await worker.reconcile_once():
        pass
    deployer.behave(provisioned)

    operation = (await shown())["operation"]
    ended = await until_over(operation["id"])
    tenant = await shown()

    assert (operation["kind"], ended["state"]) == ("upgrade", "succeeded")
    assert (tenant["desired"]["release"], tenant["in_sync"]) == (new, True)

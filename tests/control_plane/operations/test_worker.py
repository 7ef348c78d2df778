"""Operations carried out by a worker on a real database server, with a deployer that runs nothing."""

import asyncio
import email
import email.policy
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from control_plane.operations.worker import Worker
from dentalpin_kit.tokens import verify
from tests.support.deployer import FakeDeployer

AT_ONCE = {"at_once": True, "confirm": "sol"}


def states(operation):
    return {step["name"]: step["state"] for step in operation["steps"]}


def mails(platform):
    return [
        email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in sorted(platform.settings.mails.glob("*.eml"))
    ]


async def test_a_tenant_is_provisioned(provisioned, deployer):
    tenant = await provisioned()

    assert tenant["state"] == "active"
    assert tenant["url"].startswith("http://")
    assert tenant["in_sync"] is True
    assert tenant["observed"]["revision"] == tenant["desired"]["revision"] == 1
    assert {module["name"]: module["state"] for module in tenant["observed"]["modules"]} == {"patients": "installed", "agenda": "installed"}
    assert tenant["operation"]["state"] == "succeeded"
    assert set(states(tenant["operation"]).values()) == {"done"}


async def test_the_owner_gets_a_link_that_the_runtime_can_trust(provisioned, platform, deployer):
    tenant = await provisioned()

    (mail,) = mails(platform)
    link = next(line for line in mail.get_content().splitlines() if "/welcome?token=" in line)
    token = verify(link.partition("token=")[2], platform.key.public, audience=tenant["id"], purpose="welcome")
    assert mail["To"] == token.subject == "ana@sol.example"
    assert deployer.told(UUID(tenant["id"]))["invited"] == {"email": "ana@sol.example", "serial": token.claims["serial"]}


async def test_modules_are_changed_by_one_more_revision(provisioned, client, worker, shown):
    await provisioned()

    answer = await client.put("/v1/tenants/sol/modules", json={"modules": ["inventory"]})
    during = await shown()
    await worker.drain()
    after = await shown()

    assert answer.status_code == 202
    assert (during["state"], during["in_sync"]) == ("changing", False)
    assert (after["state"], after["in_sync"], after["observed"]["revision"]) == ("active", True, 2)


async def test_a_runtime_that_cannot_is_waited_for_with_its_reason(order, worker, deployer, clock, shown):
    started = await order()
    deployer.behave(UUID(started["tenant"]["id"]), fails="the core cannot be migrated: disk full")
    await worker.drain()
    waiting = await shown()
    deployer.behave(UUID(started["tenant"]["id"]))
    clock.advance(minutes=1)
    await worker.drain()

    assert waiting["state"] == "provisioning"
    assert waiting["operation"]["state"] == "waiting"
    assert "disk full" in waiting["operation"]["reason"]
    assert (await shown())["state"] == "active"


async def test_healthy_with_the_older_revision_proves_nothing(provisioned, client, worker, deployer, shown):
    tenant = await provisioned()
    deployer.behave(UUID(tenant["id"]), fails="inventory: migration inv_0001 failed")

    await client.put("/v1/tenants/sol/modules", json={"modules": ["inventory"]})
    await worker.drain()

    now = await shown()
    assert now["state"] == "changing"
    assert "inv_0001" in now["operation"]["reason"]
    assert "revision 1 goes on serving" in now["operation"]["reason"]


async def test_a_module_that_is_not_as_asked_is_named(provisioned, client, worker, deployer, shown):
    tenant = await provisioned()
    deployer.behave(UUID(tenant["id"]), modules={"inventory": "error"})

    await client.put("/v1/tenants/sol/modules", json={"modules": ["inventory"]})
    await worker.drain()

    assert "inventory: migration failed: error" in (await shown())["operation"]["reason"]


async def test_past_its_deadline_an_operation_fails_with_a_way_out_and_can_be_retried(order, worker, deployer, clock, client, shown):
    started = await order()
    deployer.behave(UUID(started["tenant"]["id"]), fails="no space left")
    await worker.drain()
    clock.advance(minutes=16)
    await worker.drain()
    failed = await shown()
    deployer.behave(UUID(started["tenant"]["id"]))
    retried = await client.post(f"/v1/operations/{started['operation']['id']}/retry")
    await worker.drain()

    assert (failed["state"], failed["operation"]["state"]) == ("failed", "failed")
    assert failed["reason"].startswith("Not done within 15 minutes; it stood at attest:")
    assert "no space left" in failed["reason"]
    assert retried.status_code == 202
    assert (await shown())["state"] == "active"


async def test_asking_again_also_gets_a_failed_tenant_unstuck(order, worker, deployer, clock, client, shown):
    started = await order()
    deployer.behave(UUID(started["tenant"]["id"]), fails="no space left")
    await worker.drain()
    clock.advance(minutes=16)
    await worker.drain()
    deployer.behave(UUID(started["tenant"]["id"]))

    again = await client.put("/v1/tenants/sol/modules", json={"modules": ["agenda"]})
    await worker.drain()

    assert again.status_code == 202
    assert (await shown())["state"] == "active"


async def test_what_is_refused_for_good_is_not_tried_again(provisioned, client, worker, deployer, shown, operation_of):
    tenant = await provisioned()
    told = deployer.told(UUID(tenant["id"]))
    deployer._write(UUID(tenant["id"]), revision={**told["revision"], "generation": 99})

    answer = await client.put("/v1/tenants/sol/modules", json={"modules": ["inventory"]})
    await worker.drain()
    operation = await operation_of(answer.json())

    assert (operation["state"], operation["error_code"], operation["attempts"]) == ("failed", "runtime_refused", 1)
    assert (await shown())["state"] == "degraded"


async def test_an_idle_runtime_that_never_proved_itself_is_woken_for_that(order, worker, deployer, shown):
    started = await order()
    deployer.behave(UUID(started["tenant"]["id"]), idle=True)
    await worker.drain()
    assert (await shown())["in_sync"] is True


class Gate(FakeDeployer):
    """Holds the first call of one method until it is opened."""

    def __init__(self, folder: Path, method: str) -> None:
        super().__init__(folder)
        self.reached, self.opened, self.method = asyncio.Event(), asyncio.Event(), method

    async def _pass(self, method: str) -> None:
        if method == self.method and not self.reached.is_set():
            self.reached.set()
            await self.opened.wait()

    async def apply(self, tenant, revision, database):
        await self._pass("apply")
        await super().apply(tenant, revision, database)

    async def ensure_secrets(self, tenant_id, serial=0):
        await self._pass("ensure_secrets")
        return await super().ensure_secrets(tenant_id, serial)


@pytest.fixture
def gated(platform, databases, deployer):
    """A worker that stops in the middle of a step, and the gate that lets it go on."""

    def gated(method):
        gate = Gate(deployer.folder, method)
        return Worker(replace(platform, deployer=gate), databases, name="slow"), gate

    return gated


async def test_a_later_change_takes_over_at_the_next_step(provisioned, client, gated, shown, operation_of):
    await provisioned()
    slow, gate = gated("apply")
    first = (await client.put("/v1/tenants/sol/modules", json={"modules": ["inventory"]})).json()
    working = asyncio.create_task(slow.drain())
    await gate.reached.wait()
    second = (await client.put("/v1/tenants/sol/modules", json={"modules": ["billing"]})).json()
    gate.opened.set()
    await working

    first, second, tenant = await operation_of(first), await operation_of(second), await shown()
    assert (first["state"], second["state"]) == ("superseded", "succeeded")
    assert first["replaced_by"] == second["id"]
    assert states(first) == {"deploy": "done", "attest": "skipped"}
    assert (tenant["state"], tenant["in_sync"], tenant["chosen"]) == ("active", True, ["billing"])


async def test_a_change_while_being_set_up_takes_over_and_nothing_is_left_out(order, client, gated, shown, operation_of):
    first = await order()
    slow, gate = gated("ensure_secrets")
    working = asyncio.create_task(slow.drain())
    await gate.reached.wait()
    second = (await client.put("/v1/tenants/sol/modules", json={"modules": ["billing"]})).json()
    gate.opened.set()
    await working

    tenant = await shown()
    assert ((await operation_of(first))["state"], second["operation"]["kind"]) == ("superseded", "provision")
    assert (tenant["state"], tenant["in_sync"], tenant["operation"]["result"]["invitation"]["sent"]) == ("active", True, True)


async def test_a_deletion_cancels_everything_and_keeps_a_dump(order, client, gated, shown, operation_of, databases, platform, postgres):
    first = await order()
    slow, gate = gated("apply")
    working = asyncio.create_task(slow.drain())
    await gate.reached.wait()
    deleted = await client.delete("/v1/tenants/sol", params=AT_ONCE)
    again = await client.delete("/v1/tenants/sol", params=AT_ONCE)
    gate.opened.set()
    await working

    operation, tenant = await operation_of(deleted.json()), await shown()
    assert (deleted.status_code, again.json()["operation"]["id"]) == (202, operation["id"])
    assert (await operation_of(first))["state"] == "cancelled"
    assert (operation["state"], tenant["state"]) == ("succeeded", "deleted")
    kept = operation["result"]["final_dump"]
    assert tenant["final_dump"] == {name: kept[name] for name in ("path", "until", "reason")}
    assert (await platform.objects.stat(kept["path"])).size > kept["bytes"]
    assert await databases.dump(UUID(tenant["id"]), platform.settings.backups / "none") is None


async def test_a_deleted_tenant_gives_its_slug_back(provisioned, client, worker, order, shown):
    old = await provisioned()
    await client.delete("/v1/tenants/sol", params=AT_ONCE)
    await worker.drain()
    refused = await client.put("/v1/tenants/sol/modules", json={"modules": []})
    new = await order()

    assert (refused.status_code, refused.json()["code"]) == (409, "tenant_deleted")
    assert (await shown())["id"] == new["tenant"]["id"] != old["id"]


async def test_workers_together_never_do_the_same_step(order, platform, databases, deployer, client):
    started = [await order(slug=f"clinic-{number}") for number in range(5)]

    await asyncio.gather(*(Worker(platform, databases, name=f"worker-{number}").drain() for number in range(3)))

    for one in started:
        operation = (await client.get(f"/v1/operations/{one['operation']['id']}")).json()
        assert operation["state"] == "succeeded", operation
        assert [step["attempts"] for step in operation["steps"]] == [1, 1, 1, 1, 1]


async def test_a_worker_that_was_thought_dead_can_write_nothing(order, gated, worker, end_leases, shown, platform):
    await order()
    slow, gate = gated("apply")
    working = asyncio.create_task(slow.work_once())
    await gate.reached.wait()
    await end_leases()
    await worker.drain()
    finished = await shown()
    async with platform.database.transaction() as session:
        await session.execute(text("CREATE TABLE seen AS SELECT * FROM operation_step"))
    gate.opened.set()
    await working

    assert finished["state"] == "active"
    assert await shown() == finished
    async with platform.database.transaction() as session:
        assert await session.scalar(text("SELECT count(*) FROM (SELECT * FROM seen EXCEPT SELECT * FROM operation_step) AS changed")) == 0


async def test_a_worker_does_not_touch_a_tenant_another_one_holds(order, gated, worker):
    await order()
    slow, gate = gated("apply")
    working = asyncio.create_task(slow.work_once())
    await gate.reached.wait()

    assert await worker.work_once() is False
    assert await worker.reconcile_once() is False

    gate.opened.set()
    await working


async def test_a_worker_told_to_stop_leaves_its_work_to_the_next_at_once(order, gated, worker, shown):
    await order()
    slow, gate = gated("apply")
    stop = asyncio.Event()
    running = asyncio.create_task(slow.run(stop))
    await gate.reached.wait()
    stop.set()
    await running
    await worker.drain()

    assert (await shown())["state"] == "active"


async def test_a_running_worker_hears_of_work_and_its_progress_can_be_followed(order, platform, databases, client):
    stop = asyncio.Event()
    running = asyncio.create_task(Worker(platform, databases).run(stop))
    started = await order()

    events = []
    async with client.stream("GET", f"/v1/operations/{started['operation']['id']}/events") as answer:
        async for line in answer.aiter_lines():
            events.append(line)
    stop.set()
    await running

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert events.count("event: end") == 1
    assert any('"state":"succeeded"' in line for line in events if line.startswith("data:"))


async def test_a_module_that_never_got_in_can_be_taken_back_even_if_it_could_not_be_removed(
    provisioned, client, worker, deployer, clock, shown
):
    tenant = await provisioned()
    deployer.behave(UUID(tenant["id"]), modules={"ledger": "to_install"})
    clock.advance(seconds=10)
    await client.put("/v1/tenants/sol/modules", json={"modules": ["agenda", "ledger"]})
    unheard = await client.post("/v1/tenants/sol/plan", json={"modules": ["agenda"]})
    await worker.work_once()
    clock.advance(seconds=10)
    await worker.work_once()

    answer = await client.put("/v1/tenants/sol/modules", json={"modules": ["agenda"]})
    deployer.behave(UUID(tenant["id"]))
    await worker.drain()

    assert unheard.status_code == 200
    assert answer.status_code == 202, answer.text
    assert (await shown())["state"] == "active"


async def test_one_that_is_in_and_cannot_be_removed_stays(provisioned, client):
    await provisioned(modules=["agenda", "ledger"])
    answer = await client.put("/v1/tenants/sol/modules", json={"modules": ["agenda"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "module_not_removable")
    assert "Choose it again" in answer.json()["detail"]


async def test_waiting_for_a_runtime_that_starts_is_one_attempt(order, worker, deployer, clock, shown, monkeypatch):
    monkeypatch.setattr("control_plane.operations.steps.provisioning.WATCH_SECONDS", 0)
    started = await order()
    deployer.behave(UUID(started["tenant"]["id"]), behind=True)
    for _ in range(3):
        await worker.drain()
        clock.advance(seconds=1)
    waiting = (await shown())["operation"]
    deployer.behave(UUID(started["tenant"]["id"]))
    await worker.drain()

    assert waiting["reason"] == "Waiting for the runtime to prove revision 1."
    assert [step["attempts"] for step in (await shown())["operation"]["steps"]] == [1, 1, 1, 1, 1]

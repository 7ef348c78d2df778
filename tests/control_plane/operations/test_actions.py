"""What a person can do about an operation and a tenant, and what is refused because it would break something."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from control_plane.operations.steps import Tools
from control_plane.passes import Pass
from control_plane.passes.running import run_due
from tests.control_plane.operations.test_worker import gated, states

__all__ = ["gated"]
WHY = {"reason": "the clinic asked for it"}


@pytest.fixture
def act(client):
    async def act(operation, action, **body):
        return await client.post(f"/v1/operations/{operation['id']}/{action}", json=body or None)

    return act


@pytest.fixture
def waiting(order, worker, deployer, shown):
    """A clinic whose runtime does not start, and its operation between two attempts."""

    async def waiting():
        started = await order()
        deployer.behave(UUID(started["tenant"]["id"]), fails="no space left")
        await worker.drain()
        return (await shown())["operation"]

    return waiting


@pytest.fixture
def heal(deployer):
    return lambda tenant: deployer.behave(UUID(tenant["id"]))


async def test_one_that_waits_can_be_tried_at_once(waiting, act, worker, heal, shown):
    operation = await waiting()
    heal(await shown())
    answer = await act(operation, "retry")
    await worker.drain()

    assert (operation["state"], operation["error_class"], answer.status_code) == ("waiting", "us", 202)
    assert (await shown())["state"] == "active"


async def test_cancelling_ends_it_with_the_reason_and_the_way_out(waiting, act, client, worker, heal, shown):
    operation = await waiting()
    cancelled = await act(operation, "cancel", **WHY)
    stopped = await shown()
    again = await act(operation, "cancel", **WHY)
    heal(stopped)
    await client.put("/v1/tenants/sol/modules", json={"modules": ["agenda"]})
    await worker.drain()

    assert (cancelled.json()["state"], cancelled.json()["error_class"], stopped["state"]) == ("cancelled", "user", "failed")
    assert stopped["reason"] == cancelled.json()["reason"]
    assert cancelled.json()["reason"].endswith(WHY["reason"])
    assert (again.status_code, again.json()["code"]) == (409, "operation_over")
    assert (await shown())["state"] == "active"


async def test_cancelling_waits_for_the_step_a_worker_is_at(order, gated, act, operation_of, shown):
    started = await order()
    slow, gate = gated("apply")
    working = asyncio.create_task(slow.work_once())
    await gate.reached.wait()
    asked = (await act(started["operation"], "cancel", **WHY)).json()
    gate.opened.set()
    await working

    ended = await operation_of(started)
    assert (asked["state"], asked["asked"]) == ("running", "cancel")
    assert (ended["state"], states(ended)["deploy"], states(ended)["attest"]) == ("cancelled", "done", "skipped")
    assert (await shown())["state"] == "failed"


async def test_only_a_step_that_nothing_needs_can_be_left_out(order, worker, deployer, clock, act, shown, monkeypatch):
    started = await order()
    deployer.behave(UUID(started["tenant"]["id"]), fails="no space left")
    await worker.drain()
    refused = await act((await shown())["operation"], "skip", **WHY)
    deployer.behave(UUID(started["tenant"]["id"]))
    monkeypatch.setenv("DENTALPIN_FAULT", "worker.provision.invite.before:error")
    clock.advance(minutes=1)
    await worker.drain()
    stuck = (await shown())["operation"]
    answer = await act(stuck, "skip", **WHY)
    await worker.drain()

    assert (refused.status_code, refused.json()["code"]) == (409, "step_not_skippable")
    assert (stuck["state"], answer.status_code) == ("waiting", 202)
    tenant = await shown()
    assert (tenant["state"], tenant["operation"]["state"], states(tenant["operation"])["invite"]) == ("active", "succeeded", "skipped")
    assert tenant["operation"]["steps"][-1]["reason"].endswith(WHY["reason"])


async def test_a_deletion_that_has_dropped_something_can_only_be_finished(provisioned, client, worker, act, clock, shown, monkeypatch):
    await provisioned()
    deleted = (await client.delete("/v1/tenants/sol", params={"at_once": True, "confirm": "sol"})).json()
    monkeypatch.setenv("DENTALPIN_FAULT", "worker.delete.drop.after:error")
    await worker.drain()
    refused = await act(deleted["operation"], "cancel", **WHY)
    monkeypatch.delenv("DENTALPIN_FAULT")
    clock.advance(minutes=1)
    await worker.drain()

    assert (refused.status_code, refused.json()["code"], refused.json()["step"]) == (409, "operation_past_cancelling", "drop")
    assert (await shown())["state"] == "deleted"


async def test_what_has_no_way_back_says_so(waiting, act):
    answer = await act(await waiting(), "roll-back", **WHY)
    assert (answer.status_code, answer.json()["code"]) == (409, "operation_has_no_way_back")


async def test_what_failed_and_was_asked_again_otherwise_cannot_come_back(waiting, act, client, clock, worker):
    operation = await waiting()
    clock.advance(minutes=16)
    await worker.drain()
    await client.put("/v1/tenants/sol/modules", json={"modules": ["agenda"]})
    answer = await act(operation, "retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "operation_outdated")


async def test_unsticking_cuts_off_the_worker_and_lets_nobody_in_before_it_must_have_noticed(
    order, gated, worker, client, shown, end_leases
):
    await order()
    slow, gate = gated("apply")
    working = asyncio.create_task(slow.work_once())
    await gate.reached.wait()
    answer = (await client.post("/v1/tenants/sol/unstick", json=WHY)).json()
    too_soon = await worker.work_once()
    gate.opened.set()
    await working
    written = states((await shown())["operation"])["deploy"]
    await end_leases()
    await worker.drain()

    assert [line.partition(" ")[0] for line in answer["done"]] == ["The", "The"]
    assert too_soon is False
    assert written == "running"
    assert (await shown())["state"] == "active"
    trail = (await client.get("/v1/tenants/sol/audit")).json()["items"]
    assert next(one for one in trail if one["action"] == "tenant.unstuck")["details"]["reason"] == WHY["reason"]


async def test_unsticking_ends_a_state_that_nobody_is_left_to_end(provisioned, client, platform, shown):
    await provisioned()
    await client.put("/v1/tenants/sol/modules", json={"modules": ["billing"]})
    async with platform.database.transaction() as session:
        await session.execute(text("UPDATE operation SET state = 'cancelled' WHERE state = 'queued'"))
    answer = (await client.post("/v1/tenants/sol/unstick", json=WHY)).json()

    assert (answer["state"], (await shown())["state"]) == ("degraded", "degraded")
    assert WHY["reason"] in (await shown())["reason"]


async def test_unsticking_what_is_not_stuck_changes_nothing(provisioned, client, shown):
    before = await provisioned()
    answer = (await client.post("/v1/tenants/sol/unstick", json=WHY)).json()
    assert answer == {"tenant": "sol", "state": "active", "done": []}
    assert await shown() == before


@pytest.mark.parametrize("action", ["skip", "cancel", "roll-back"])
async def test_stepping_in_needs_a_reason(waiting, act, action):
    answer = await act(await waiting(), action, reason=" ")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_what_is_stuck_is_listed_with_its_reason_and_its_ways_out(waiting, client, clock, worker):
    nothing = (await client.get("/v1/stuck")).json()
    operation = await waiting()
    clock.advance(minutes=16)
    overdue = (await client.get("/v1/stuck")).json()["items"]
    await worker.drain()
    clock.advance(minutes=44)
    stuck = (await client.get("/v1/stuck")).json()
    metrics = (await client.get("/metrics")).text

    assert nothing == {"items": [], "oldest_seconds": 0.0}
    assert [(one["what"], one["state"], one["age_seconds"]) for one in overdue] == [
        ("tenant", "provisioning", 60),
        ("operation", "waiting", 60),
    ]
    assert [(one["what"], one["state"], one["error_class"]) for one in stuck["items"]] == [
        ("tenant", "failed", "us"),
        ("operation", "failed", "us"),
    ]
    assert "no space left" in stuck["items"][0]["reason"]
    assert {"action": "retry", "request": f"POST /v1/operations/{operation['id']}/retry"} in stuck["items"][1]["ways_out"]
    assert stuck["oldest_seconds"] == 44 * 60
    assert 'dentalpin_platform_stuck_oldest_seconds{state="failed",what="tenant"} 2640.0' in metrics


async def test_a_pass_that_fails_is_seen_and_tried_again(client, worker, clock, monkeypatch):
    monkeypatch.setenv("DENTALPIN_FAULT", "pass.housekeeping.before:error")
    await worker.run_passes()
    clock.advance(minutes=1)
    failing = (await client.get("/v1/stuck")).json()["items"]
    monkeypatch.delenv("DENTALPIN_FAULT")
    await worker.run_passes()
    clock.advance(hours=2)
    late = (await client.get("/v1/stuck")).json()["items"]

    assert [(one["what"], one["id"], one["state"]) for one in failing] == [("pass", "housekeeping", "failing")]
    assert "fault injected" in failing[0]["reason"]
    assert {(one["what"], one["state"]) for one in late} == {("pass", "late")}


async def test_workers_together_run_a_pass_once(platform, databases, clock):
    seen = []

    async def count(tools):
        seen.append(platform.clock.now())
        await asyncio.sleep(0)

    passes = (Pass("count", timedelta(hours=1), count),)
    for _ in range(3):
        await asyncio.gather(*(run_due(Tools(platform, databases), f"worker-{number}", passes=passes) for number in range(4)))
    clock.advance(hours=1)
    await run_due(Tools(platform, databases), "worker-1", passes=passes)

    assert len(seen) == 2

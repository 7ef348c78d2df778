"""The machinery around steps, for every kind there is: a fault at every step and moment, turning back, outages, several workers.

The steps are scripted; test_faults.py does the same with real ones.
"""

import asyncio
from datetime import timedelta
from itertools import product
from uuid import UUID

import pytest
from sqlalchemy import text

from control_plane.access.actors import Actor
from control_plane.machines import MACHINES
from control_plane.operations import service
from control_plane.operations.kinds import KINDS, STEP_KINDS, OperationKind, StepName
from control_plane.operations.worker import Worker
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import STUCK
from tests.support.scripted import Away, Faults, Killed, Refused, Script

MOMENTS = ("before", "in", "after")
POINTS = [(kind, step, moment) for kind, facts in KINDS.items() for step in facts.steps for moment in MOMENTS]
GO_BACK = [kind for kind, facts in KINDS.items() if facts.back]
AFTER = {OperationKind.UNDO_DELETE: OperationKind.CLOSE, OperationKind.REOPEN: OperationKind.ARCHIVE}
NEW = (OperationKind.PROVISION, OperationKind.CLONE)
ENDS_IN = {OperationKind.CLOSE: "closing", OperationKind.DELETE: "deleted", OperationKind.ARCHIVE: "archived"}
ANYBODY = Actor.operator("tests")


def test_every_step_of_every_kind_is_named_once_and_has_its_facts():
    for kind, facts in KINDS.items():
        assert len(set(facts.steps)) == len(facts.steps), kind
        assert set(facts.all_steps) <= set(STEP_KINDS)
        assert bool(facts.back) is (facts.back_from is not None), kind
        assert facts.back_from in (*facts.steps, None)
        assert facts.no_cancel_from in (*facts.steps, None)
        assert (facts.start is None) <= (facts.success is None and facts.failure is None), kind
        assert facts.deadline >= max(STEP_KINDS[step].patience for step in facts.all_steps), kind
    assert {step for facts in KINDS.values() for step in facts.all_steps} == set(StepName)
    assert set(KINDS) == set(OperationKind)


@pytest.fixture
def script(monkeypatch):
    script = Script()
    script.install(monkeypatch)
    yield script
    assert script.together == []


@pytest.fixture
def faults(monkeypatch):
    return Faults(monkeypatch)


@pytest.fixture
def at_rest(client, platform, worker, start):
    """A tenant of its own that an operation of this kind can begin on; of a new one, with the operation it begins with."""

    async def at_rest(kind):
        body = {
            "name": "Sol",
            "slug": f"clinic-{kind.replace('_', '-')}",
            "country": "ES",
            "owner_email": "ana@sol.example",
            "modules": ["agenda"],
        }
        made = (await client.post("/v1/tenants", json=body)).json()
        tenant_id = UUID(made["tenant"]["id"])
        if kind not in NEW:
            await worker.drain()
        if kind is OperationKind.CLONE:
            await client.post(f"/v1/operations/{made['operation']['id']}/cancel", json={"reason": "it becomes a copy instead"})
        if kind in AFTER:
            await start(tenant_id, AFTER[kind])
            await worker.drain()
        return tenant_id, UUID(made["operation"]["id"])

    return at_rest


@pytest.fixture
def start(platform):
    async def start(tenant_id, kind):
        now = platform.clock.now()
        async with platform.database.transaction() as session:
            tenant = await session.get_one(Tenant, tenant_id, with_for_update=True)
            until = now + timedelta(days=14) if kind is OperationKind.CLOSE else None
            operation = await service.start(session, tenant, kind, actor=ANYBODY, at=now, generation=tenant.generation, until=until)
            return operation.id

    return start


@pytest.fixture
def begin(at_rest, start):
    """An operation of this kind begun on a tenant of its own; the ids of both."""

    async def begin(kind):
        tenant_id, first = await at_rest(kind)
        return tenant_id, first if kind is OperationKind.PROVISION else await start(tenant_id, kind)

    return begin


@pytest.fixture
def begin_all(at_rest, start):
    """An operation of every kind, each on a tenant of its own."""

    async def begin_all():
        tenants = {kind: await at_rest(kind) for kind in [*(one for one in KINDS if one not in NEW), *NEW]}
        return {
            kind: (tenant_id, first if kind is OperationKind.PROVISION else await start(tenant_id, kind))
            for kind, (tenant_id, first) in tenants.items()
        }

    return begin_all


@pytest.fixture
def state_of(platform):
    async def state_of(begun):
        tenant_id, operation_id = begun
        async with platform.database.transaction() as session:
            tenant, operation = await session.get_one(Tenant, tenant_id), await service.get(session, operation_id)
            return tenant, operation

    return state_of


async def test_a_worker_killed_at_every_step_and_moment_is_succeeded_by_others(
    begin, worker, platform, databases, script, faults, end_leases, state_of
):
    for kind, facts in KINDS.items():
        begun = await begin(kind)
        for step, moment in product(facts.steps, MOMENTS):
            faults.arm(f"worker.{kind}.{step}.{moment}", Killed)
            with pytest.raises(Killed):
                await Worker(platform, databases, name="mortal").drain()
            assert await worker.work_once() is False, "a lease outlives its worker until its time"
            await end_leases()
        await worker.drain()

        tenant, operation = await state_of(begun)
        assert (operation.state, {step.state for step in operation.steps}) == ("succeeded", {"done"}), kind
        assert tenant.state == ENDS_IN.get(kind, "active"), kind
        # Killed after its work but before that was written down, a step is done once more; and never otherwise.
        assert {script.done[operation.id, step.name] for step in operation.steps} == {2}, kind
    assert faults.fired == [".".join(("worker", *point)) for point in POINTS]


async def test_a_worker_killed_while_taking_back_is_succeeded_by_others(
    begin, worker, platform, databases, script, faults, end_leases, state_of
):
    for kind in GO_BACK:
        facts = KINDS[kind]
        last = [step for step in facts.steps if step not in facts.back][-1]
        begun = await begin(kind)
        script.choose = lambda _, step, last=last: Refused("the migration fails half-way") if step is last else None
        for step, moment in product(facts.back, MOMENTS):
            faults.arm(f"worker.{kind}.{step}.{moment}", Killed)
            with pytest.raises(Killed):
                await Worker(platform, databases, name="mortal").drain()
            await end_leases()
        await worker.drain()
        script.choose = lambda *_: None

        tenant, operation = await state_of(begun)
        assert (operation.state, operation.error_code, tenant.state) == ("rolled_back", "refused_for_good", "active")
        assert operation.reason == operation.failure["reason"] == "the migration fails half-way"
        assert operation.failure["step"] == last
        assert {step.state for step in operation.steps if step.name in facts.back} == {"done"}


async def test_an_error_nobody_foresaw_is_tried_again_at_every_step(begin_all, worker, clock, script, state_of):
    begun = await begin_all()
    met = set()

    def once(kind, step):
        if (kind, step) not in met:
            met.add((kind, step))
            return OSError(28, "No space left on device")
        return None

    script.choose = once
    await worker.drain()
    waiting = {kind: (await state_of(one))[1] for kind, one in begun.items()}
    for _ in range(max(len(facts.steps) for facts in KINDS.values())):
        clock.advance(minutes=1)
        await worker.drain()
    script.choose = lambda *_: None

    for kind, one in begun.items():
        tenant, operation = await state_of(one)
        assert (waiting[kind].state, waiting[kind].error_class, waiting[kind].error_code) == ("waiting", "us", "unexpected"), kind
        assert "No space left" in waiting[kind].reason
        assert (operation.state, tenant.state) == ("succeeded", ENDS_IN.get(kind, "active")), kind
        assert {step.attempts for step in operation.steps} == {2}, kind


async def test_what_is_refused_for_good_ends_with_a_reason_and_can_be_retried(begin_all, worker, script, state_of, client):
    begun = await begin_all()
    first = {(kind, step) for kind, facts in KINDS.items() for step in (facts.steps[0], *facts.back)}
    script.choose = lambda kind, step: Refused("not like this") if (kind, step) in first else None
    await worker.drain()
    refused = {kind: await state_of(one) for kind, one in begun.items()}
    stuck = [(one["what"], one["tenant"]) for one in (await client.get("/v1/stuck")).json()["items"]]
    script.choose = lambda *_: None
    for _, operation in refused.values():
        await client.post(f"/v1/operations/{operation.id}/retry")
    await worker.drain()

    for kind, (tenant, operation) in refused.items():
        facts = KINDS[kind]
        assert (operation.state, operation.reason, operation.error_class) == ("failed", "not like this", "user"), kind
        assert (tenant.state in STUCK, tenant.state_reason) == ((True, "not like this") if facts.failure else (False, None)), kind
        assert ("operation", tenant.slug) in stuck
        assert (("tenant", tenant.slug) in stuck) is (facts.failure is not None)
        tenant, operation = await state_of(begun[kind])
        ended = "rolled_back" if facts.back_from == facts.steps[0] else "succeeded"
        assert (operation.state, tenant.state) == (ended, ENDS_IN.get(kind, "active")), kind


async def test_an_hour_without_the_outside_loses_nothing_says_why_and_passes_by_itself(begin_all, worker, clock, script, state_of, client):
    begun = await begin_all()
    script.choose = lambda *_: Away("The deployer does not answer.")
    for _ in range(12):
        await worker.run_passes("take_up")
        await worker.drain()
        for kind, one in begun.items():
            _, operation = await state_of(one)
            assert operation.state in ("waiting", "failed"), kind
            assert "The deployer does not answer." in operation.reason
            assert operation.error_class == "temporary"
        clock.advance(minutes=5)
    script.choose = lambda *_: None
    for _ in range(2):
        await worker.run_passes("take_up")
        await worker.drain()
        clock.advance(minutes=5)

    for kind, one in begun.items():
        tenant, operation = await state_of(one)
        assert (operation.state, tenant.state) == ("succeeded", ENDS_IN.get(kind, "active")), kind
    assert (await client.get("/v1/stuck")).json()["items"] == []


async def test_many_workers_never_do_one_step_twice_at_a_time(platform, databases, client, script):
    for number in range(4):
        body = {"name": "Sol", "slug": f"sol-{number}", "country": "ES", "owner_email": "ana@sol.example", "modules": []}
        await client.post("/v1/tenants", json=body)

    await asyncio.gather(*(Worker(platform, databases, name=f"worker-{number}").drain() for number in range(4)))

    assert set(script.begun.values()) == {1}
    assert len(script.done) == 4 * len(KINDS[OperationKind.PROVISION].steps)


async def test_a_person_takes_back_an_upgrade_at_the_end_of_the_step_a_worker_is_at(begin, worker, script, state_of, client):
    begun = await begin(OperationKind.UPGRADE)

    async def ask():
        await client.post(f"/v1/operations/{begun[1]}/roll-back", json={"reason": "the clinic cannot print"})

    script.choose = lambda _, step: ask() if step is StepName.DEPLOY else None
    await worker.drain()

    tenant, operation = await state_of(begun)
    assert (operation.state, tenant.state) == ("rolled_back", "active")
    assert script.order[-6:] == [StepName.PLAN, StepName.DEPLOY, *KINDS[OperationKind.UPGRADE].back]


async def test_what_was_taken_back_by_a_person_says_by_whom(begin, worker, script, state_of, client):
    begun = await begin(OperationKind.UPGRADE)
    script.choose = lambda _, step: Away("The runtime starts slowly.") if step is StepName.ATTEST else None
    await worker.drain()
    answer = (await client.post(f"/v1/operations/{begun[1]}/roll-back", json={"reason": "the clinic cannot print"})).json()
    await worker.drain()

    tenant, operation = await state_of(begun)
    assert (answer["direction"], answer["state"], answer["failure"]["step"]) == ("back", "queued", "attest")
    assert (operation.state, tenant.state, tenant.state_reason) == ("rolled_back", "active", None)
    assert operation.reason.endswith("the clinic cannot print")
    assert {step.name: step.state for step in operation.steps} == {
        "backup": "done",
        "plan": "done",
        "deploy": "done",
        "attest": "failed",
        "go_back": "done",
        "undo_data": "done",
        "redeploy": "done",
        "reattest": "done",
    }


async def test_cancelling_what_would_leave_something_behind_takes_it_back(begin, worker, script, state_of, client):
    begun = await begin(OperationKind.RESTORE)
    script.choose = lambda _, step: Away("The server is full.") if step is StepName.LOAD else None
    await worker.drain()
    script.choose = lambda *_: None
    await client.post(f"/v1/operations/{begun[1]}/cancel", json={"reason": "the wrong backup"})
    await worker.drain()

    tenant, operation = await state_of(begun)
    assert (operation.state, tenant.state) == ("rolled_back", "active")
    assert script.order[-3:] == list(KINDS[OperationKind.RESTORE].back)


async def test_a_change_begun_during_an_upgrade_is_done_after_it(begin, start, worker, script, state_of):
    begun = await begin(OperationKind.UPGRADE)
    changing = (begun[0], await start(begun[0], OperationKind.CHANGE_MODULES))
    await worker.work_once()
    between, upgraded = await state_of(begun)
    await worker.drain()

    tenant, changed = await state_of(changing)
    assert (upgraded.state, between.state) == ("succeeded", "changing")
    assert (changed.state, tenant.state) == ("succeeded", "active")


async def test_the_states_table_of_the_database_is_the_tables_of_the_code(platform):
    async with platform.database.transaction() as session:
        rows = {tuple(row) for row in await session.execute(text("SELECT machine, source, target FROM state_transition"))}
    assert rows == {(name, *pair) for name, machine in MACHINES.items() for pair in machine.pairs()}

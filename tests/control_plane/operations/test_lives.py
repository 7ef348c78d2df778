"""One clinic lives through every kind of operation, and the worker dies at each of its steps; the steps are the real ones, on a real
database server, with a deployer that runs nothing. With --full at every moment: before a step, in its middle, and after it.
"""

from dataclasses import replace
from itertools import product
from uuid import UUID

import pytest

from control_plane.access.actors import Actor
from control_plane.billing import agreements
from control_plane.billing.states import ProviderName
from control_plane.databases import SharedServer
from control_plane.deployers.base import DeployerUnavailable, Rehearsal
from control_plane.operations import service as operations
from control_plane.operations.kinds import KINDS, OperationKind
from control_plane.operations.worker import Worker
from control_plane.tenants import service as tenants
from tests.control_plane.backups.conftest import clinic, sql
from tests.support.deployer import FakeDeployer
from tests.support.platform import MODULES, RuntimeEnvironment, module
from tests.support.scripted import Faults, Killed

__all__ = ["clinic", "sql"]
MOMENTS = ("before", "in", "after")
K = OperationKind
ANYBODY = Actor.operator("tests")


class Rehearsing(FakeDeployer):
    """Can also try a release on a copy."""

    async def rehearse(self, tenant, database):
        return REHEARSED


REHEARSED = Rehearsal(ok=True, seconds=1.0)


@pytest.fixture
def platform_settings(platform_settings):
    return platform_settings.model_copy(update={"bank_account": "ES91 2100 0418 4502 0005 1332"})


@pytest.fixture
def deployer(tmp_path):
    return Rehearsing(tmp_path / "deployed")


@pytest.fixture
def faults(monkeypatch):
    return Faults(monkeypatch)


@pytest.fixture
async def next_release(client, tmp_path):
    environment = RuntimeEnvironment(tmp_path / "next-env")
    environment.describe({**MODULES, "agenda": module("1.1.0", "patients")})
    return (await client.post("/v1/releases", json={"environment": str(environment.folder)})).json()["id"]


def some(steps):
    """Each step at one moment, each at another."""
    return [(step, MOMENTS[number % 3]) for number, step in enumerate(steps)]


def every(steps):
    return list(product(steps, MOMENTS))


@pytest.fixture
def killed_at(platform, databases, faults, end_leases, worker, client):
    """Let the worker die at each of these points of an operation, then let another end it; the operation as the API shows it."""

    async def killed_at(kind, points, operation):
        for step, moment in points:
            faults.arm(f"worker.{kind}.{step}.{moment}", Killed)
            with pytest.raises(Killed):
                await Worker(platform, databases, name="mortal").drain()
                pytest.fail(f"nothing of {kind} passes {step}.{moment}")
            await end_leases()
        await worker.drain()
        return (await client.get(f"/v1/operations/{operation}")).json()

    return killed_at


@pytest.mark.parametrize("choose", [pytest.param(some, id="some"), pytest.param(every, id="every", marks=pytest.mark.full)])
async def test_a_worker_that_dies_at_every_step_of_a_clinics_life_costs_the_clinic_nothing(
    client, clinic, platform, killed_at, next_release, sql, shown, deployer, databases, choose
):
    lived = set()

    async def begun(slug, begin):
        """The operation that the platform begins by itself."""
        async with platform.database.transaction() as session:
            return (await begin(session, await tenants.find(session, slug, lock=True))).id

    def by_itself(kind):
        async def begin(session, tenant):
            return await operations.start(session, tenant, kind, actor=ANYBODY, at=platform.clock.now(), generation=tenant.generation)

        return begin

    async def agreed(session, tenant):
        """Bank transfer: the provider that is always there."""
        await agreements.agree(session, platform, tenant, plan="solo", actor=ANYBODY, provider=ProviderName.MANUAL)
        return tenant

    async def lives_through(kind, answer):
        answered = await answer
        body = {"id": str(answered)} if isinstance(answered, UUID) else answered.json()
        # An erasure names its operation; other answers are or hold it.
        named = body.get("operation", body)
        operation = await killed_at(kind, choose(KINDS[kind].steps), named if isinstance(named, str) else named["id"])
        assert (operation["kind"], operation["state"]) == (kind, "succeeded"), operation
        lived.add(kind)
        return operation

    path = "/v1/tenants/sol"
    await lives_through(
        K.PROVISION, client.post("/v1/tenants", json={"name": "Luna", "country": "ES", "owner_email": "l@l.example", "modules": []})
    )
    await begun("luna", agreed)
    await lives_through(K.BILL, begun("luna", by_itself(K.BILL)))
    await lives_through(K.CHANGE_MODULES, client.put(f"{path}/modules", json={"modules": ["agenda", "inventory"]}))
    await lives_through(K.INVITE, client.post(f"{path}/invitation", json={}))
    backup = (await lives_through(K.BACKUP, client.post(f"{path}/backups")))["result"]["backup"]
    await lives_through(K.REHEARSE, client.post(f"{path}/rehearsals", json={"release": next_release}))
    await lives_through(K.UPGRADE, client.post(f"{path}/upgrade", json={"release": next_release}))
    await sql(clinic, "DELETE FROM patient")
    await lives_through(K.RESTORE, client.post(f"{path}/backups/{backup}/restore"))
    patients = await sql(clinic, "SELECT count(*) FROM patient")
    await lives_through(K.CLONE, client.post(f"{path}/backups/{backup}/copy", json={"days": 3}))
    await lives_through(K.EXPORT, client.post(f"{path}/exports"))
    await lives_through(K.ROTATE_PASSWORDS, client.post(f"{path}/database-passwords/rotate"))
    await lives_through(K.ARCHIVE, begun("sol", by_itself(K.ARCHIVE)))
    archived = await shown()
    await lives_through(K.REOPEN, begun("sol", by_itself(K.REOPEN)))
    await lives_through(K.CLOSE, client.delete(path))
    await lives_through(K.UNDO_DELETE, client.post(f"{path}/undo-deletion"))
    back = await shown()
    await lives_through(K.DELETE, client.delete(path, params={"at_once": True, "confirm": "sol"}))
    gone = await shown()
    await lives_through(K.ERASE, client.post(f"{path}/erasures", json={"confirm": "sol", "reason": "the owner asked by letter"}))

    assert lived == set(KINDS)
    assert patients == 50
    assert archived["state"] == "archived"
    assert (back["state"], back["in_sync"]) == ("active", True)
    assert (gone["state"], deployer.told(UUID(clinic["id"]))) == ("deleted", {})
    assert (await client.get("/v1/stuck")).json()["items"] == []
    for slug in ("luna", "sol-copy"):
        await databases.drop(UUID((await shown(slug))["id"]))


@pytest.mark.parametrize("choose", [pytest.param(some, id="some"), pytest.param(every, id="every", marks=pytest.mark.full)])
async def test_a_worker_that_dies_while_taking_back_brings_back_the_release_and_the_data(
    client, clinic, worker, killed_at, next_release, sql, shown, deployer, choose
):
    """An upgrade, then a restore, that do not come up and are rolled back."""
    path, tenant_id = "/v1/tenants/sol", UUID(clinic["id"])
    before = (await shown())["desired"]["release"]
    backup = (await client.post(f"{path}/backups")).json()["id"]
    await worker.drain()
    backup = (await client.get(f"/v1/operations/{backup}")).json()["result"]["backup"]
    await sql(clinic, "DELETE FROM patient WHERE id > 40")

    for kind, request, body in (
        (K.UPGRADE, f"{path}/upgrade", {"release": next_release}),
        (K.RESTORE, f"{path}/backups/{backup}/restore", None),
    ):
        started = (await client.post(request, json=body)).json()
        operation_id = started.get("operation", started)["id"]
        deployer.behave(tenant_id, fails="the migration fails half-way")
        await worker.drain()
        deployer.behave(tenant_id)
        asked = await client.post(f"/v1/operations/{operation_id}/roll-back", json={"reason": "it does not come up"})
        assert asked.status_code == 202, asked.text
        operation = await killed_at(kind, choose(KINDS[kind].back), operation_id)

        assert (operation["state"], operation["failure"]["step"]) == ("rolled_back", "attest"), operation
        tenant = await shown()
        assert (tenant["state"], tenant["in_sync"], tenant["desired"]["release"]) == ("active", True, before)
        assert await sql(clinic, "SELECT count(*) FROM patient") == 40


class Absent:
    """A deployer whose machine is off: whatever is asked of it, it does not answer."""

    def __getattr__(self, name):
        async def unavailable(*_args, **_more):
            raise DeployerUnavailable("The supervisor does not answer.")

        return unavailable


@pytest.mark.parametrize("away", ["deployer", "database server"])
async def test_an_hour_without_it_costs_nobody_a_click(client, order, worker, platform, postgres, shown, clock, operation_of, away):
    nowhere = SharedServer("postgresql://nobody:x@127.0.0.1:9/postgres", bindir=postgres.bindir)
    absent = (replace(platform, deployer=Absent()), platform.servers.own) if away == "deployer" else (platform, nowhere)
    started = await order()
    alone = Worker(*absent, name="alone")
    seen = []
    for _ in range(13):
        await alone.run_passes("take_up")
        await alone.drain()
        seen.append(await operation_of(started))
        clock.advance(minutes=5)
    stuck = (await client.get("/v1/stuck")).json()["items"]
    await worker.run_passes("take_up")
    await worker.drain()

    assert {one["state"] for one in seen} == {"waiting", "failed"}
    assert {one["error_class"] for one in seen} == {"temporary"}
    assert all("does not answer" in one["reason"] or "is not available" in one["reason"] for one in seen), seen[0]["reason"]
    assert {one["what"] for one in stuck} <= {"tenant", "operation"}
    assert ((await operation_of(started))["state"], (await shown())["state"]) == ("succeeded", "active")
    assert (await client.get("/v1/stuck")).json()["items"] == []

"""The operation that makes a clinic's database passwords anew: what is given to whom, when the earlier ones are closed, what stops it."""

from uuid import UUID

import pytest

from control_plane.operations.worker import Worker
from control_plane.simulators.databases import SimulatedDatabases

ROTATE = "/v1/tenants/sol/database-passwords/rotate"


class Watched(SimulatedDatabases):
    """Says how many connections there are by each turn's passwords, and what was closed."""

    def __init__(self, clock):
        super().__init__(clock)
        self.connected = {0: 0, 1: 0}
        self.closed = []

    async def sessions(self, tenant_id, serial):
        return self.connected[(serial + 1) % 2]

    async def close_logins(self, tenant_id, serial):
        self.connected[(serial + 1) % 2] = 0
        self.closed.append(serial)


@pytest.fixture
def databases(clock):
    return Watched(clock)


@pytest.fixture
def worker(platform, databases, monkeypatch):
    # Watching on is another attempt, and each is made by hand here.
    monkeypatch.setattr("control_plane.operations.steps.rotating.WATCH_SECONDS", 0.0)
    return Worker(platform, databases)


@pytest.fixture
async def clinic(client, worker):
    body = {"name": "Clínica Sol", "slug": "sol", "country": "ES", "owner_email": "ana@sol.example", "modules": ["agenda"]}
    made = (await client.post("/v1/tenants", json=body)).json()
    await worker.drain()
    return UUID(made["tenant"]["id"])


@pytest.fixture
def passwords(client):
    async def passwords():
        return (await client.get("/v1/tenants/sol/database-passwords")).json()

    return passwords


@pytest.fixture
def rotation(client, worker):
    """Ask for a rotation and carry it out as far as it goes now; the operation as the API shows it."""

    async def rotation(operation=None):
        if operation is None:
            answer = await client.post(ROTATE)
            assert answer.status_code == 202, answer.text
            operation = answer.json()["operation"]
        await worker.work_once()
        return (await client.get(f"/v1/operations/{operation['id']}")).json()

    return rotation


async def test_the_runtime_gets_the_next_passwords_and_the_earlier_ones_are_forgotten(
    clinic, rotation, passwords, deployer, clock, databases
):
    assert await passwords() == {"serial": 0, "settled": True, "since": None}
    done = await rotation()

    assert done["state"] == "succeeded", done
    found = await passwords()
    assert (found["serial"], found["settled"], found["since"] is not None) == (1, True, True)
    assert (deployer.told(clinic)["serial"], deployer.told(clinic)["serials"]) == (1, [1])
    assert databases.closed == [1]

    assert (await rotation())["state"] == "succeeded"
    assert ((await passwords())["serial"], deployer.told(clinic)["serials"], databases.closed) == (2, [2], [1, 2])


async def test_connections_of_before_are_waited_for_and_said(clinic, rotation, passwords, databases, clock):
    databases.connected[0] = 3
    waiting = await rotation()
    assert (waiting["state"], databases.closed) == ("waiting", [])
    assert "3 connections still use the earlier passwords" in waiting["reason"]
    assert (await passwords())["settled"] is False

    databases.connected[0] = 0
    clock.advance(seconds=1)
    assert (await rotation(waiting))["state"] == "succeeded"


async def test_those_that_never_leave_are_ended_but_not_before_the_runtime_uses_the_later_passwords(clinic, rotation, databases, clock):
    databases.connected[0] = 2
    waiting = await rotation()
    clock.advance(minutes=31)
    waiting = await rotation(waiting)
    assert (waiting["state"], databases.closed) == ("waiting", [])

    databases.connected[1] = 1
    clock.advance(seconds=1)
    done = await rotation(waiting)
    assert (done["state"], databases.closed, done["result"]["ended_connections"]) == ("succeeded", [1], 2)


async def test_a_runtime_that_does_not_start_with_them_is_not_shut_out_and_the_same_pair_is_gone_on_with(
    clinic, rotation, passwords, databases, deployer, clock, client
):
    deployer.behave(clinic, fails="it cannot sign in")
    failing = await rotation()
    assert (failing["state"], databases.closed) == ("waiting", [])
    assert "it cannot sign in" in failing["reason"]
    clock.advance(minutes=91)
    given_up = await rotation(failing)
    assert given_up["state"] == "failed"
    assert [one["id"] for one in (await client.get("/v1/stuck")).json()["items"]] == [failing["id"]]
    assert await passwords() == {"serial": 1, "settled": False, "since": None}

    deployer.behave(clinic)
    assert (await rotation())["state"] == "succeeded"
    assert ((await passwords())["serial"], (await passwords())["settled"], databases.closed) == (1, True, [1])


async def test_a_clinic_that_is_changing_or_going_is_not_rotated(clinic, client):
    await client.delete("/v1/tenants/sol")
    refused = await client.post(ROTATE)
    assert (refused.status_code, refused.json()["code"]) == (409, "passwords_not_rotatable")


async def test_what_was_asked_and_what_was_done_is_in_the_audit_without_a_password(clinic, rotation, client):
    await rotation()
    entries = (await client.get("/v1/audit", params={"tenant": "sol"})).json()["items"]
    actions = [entry["action"] for entry in entries]
    assert {"tenant.password_rotation_asked", "tenant.passwords_rotated"} <= set(actions)


async def test_a_copy_of_a_rotated_clinic_begins_with_passwords_of_its_own(clinic, rotation, client, worker, deployer):
    await rotation()
    await client.post("/v1/tenants/sol/backups")
    await worker.drain()
    copied = await client.post(
        f"/v1/tenants/sol/backups/{(await client.get('/v1/tenants/sol/backups')).json()['items'][0]['id']}/copy", json={"days": 2}
    )
    await worker.drain()
    assert deployer.told(UUID(copied.json()["tenant"]["id"]))["serial"] == 0

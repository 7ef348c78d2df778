"""Whatever dies, and wherever, the next worker ends in the same place. Real processes, really killed."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from control_plane.operations.kinds import KINDS, OperationKind
from tests.control_plane.operations.test_worker import mails

ROOT = Path(__file__).parents[3]
BEGUN = (OperationKind.PROVISION, OperationKind.CHANGE_MODULES, OperationKind.INVITE, OperationKind.DELETE)
POINTS = [f"worker.{kind}.{step}.{moment}" for kind in BEGUN for step in KINDS[kind].steps for moment in ("before", "in", "after")]
# In this process every kind is killed at every step by test_lives.py.
KILLED_ALWAYS = {"worker.provision.database.after", "worker.change_modules.deploy.in", "worker.delete.drop.after"}
FAILED_ALWAYS = {"worker.provision.invite.after", "worker.change_modules.deploy.before", "worker.invite.invite.in", "worker.delete.dump.in"}


@pytest.fixture
def begun(order, provisioned, client):
    """Begin an operation of a kind and say how it must end."""

    async def begun(kind):
        if kind is OperationKind.PROVISION:
            return await order()
        await provisioned()
        answer = {
            OperationKind.CHANGE_MODULES: lambda: client.put("/v1/tenants/sol/modules", json={"modules": ["inventory"]}),
            OperationKind.INVITE: lambda: client.post("/v1/tenants/sol/invitation", json={}),
            OperationKind.DELETE: lambda: client.delete("/v1/tenants/sol", params={"at_once": True, "confirm": "sol"}),
        }[kind]
        return (await answer()).json()

    return begun


@pytest.fixture
def as_if_nothing_had_happened(shown, operation_of, platform, postgres, deployer):
    async def check(kind, started):
        tenant, operation = await shown(), await operation_of(started)
        assert operation["state"] == "succeeded", operation
        assert max(step["attempts"] for step in operation["steps"]) == 2
        connection = await asyncpg.connect(postgres.admin_url)
        databases = await connection.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", f"tenant_{UUID(tenant['id']).hex}")
        roles = await connection.fetchval("SELECT count(*) FROM pg_roles WHERE rolname LIKE $1", f"tenant_{UUID(tenant['id']).hex}%")
        await connection.close()
        if kind is OperationKind.DELETE:
            assert (tenant["state"], databases, roles, deployer.told(UUID(tenant["id"]))) == ("deleted", 0, 0, {})
            [kept] = await platform.objects.list(f"exports/{tenant['id']}/")
            assert tenant["final_dump"]["path"] == kept.key
            return
        assert (tenant["state"], tenant["in_sync"], databases, roles) == ("active", True, 1, 2)
        # A step that is repeated sends the same mail again, not a second one.
        assert len(mails(platform)) == (2 if kind is OperationKind.INVITE else 1)

    return check


@pytest.mark.parametrize("point", [pytest.param(one, marks=() if one in FAILED_ALWAYS else pytest.mark.full) for one in POINTS])
async def test_an_error_at_a_step_is_overcome(begun, worker, clock, monkeypatch, tmp_path, as_if_nothing_had_happened, point):
    kind = OperationKind(point.split(".")[1])
    started = await begun(kind)
    monkeypatch.setenv("DENTALPIN_FAULT", f"{point}:error")
    monkeypatch.setenv("DENTALPIN_FAULT_ONCE", str(tmp_path / "fired"))

    await worker.drain()
    clock.advance(minutes=1)
    await worker.drain()

    assert (tmp_path / "fired").exists()
    await as_if_nothing_had_happened(kind, started)


@pytest.mark.parametrize("point", [pytest.param(one, marks=() if one in KILLED_ALWAYS else pytest.mark.full) for one in POINTS])
async def test_a_worker_killed_at_a_step_is_succeeded_by_another(
    begun, worker, clock, platform, deployer, end_leases, tmp_path, as_if_nothing_had_happened, point
):
    kind = OperationKind(point.split(".")[1])
    started = await begun(kind)
    settings = platform.settings
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "TENANT_DATABASE_ADMIN_URL": settings.tenant_database_admin_url.get_secret_value(),
        "DENTALPIN_DATA": str(settings.data),
        "PG_BINDIR": str(settings.pg_bindir),
        "DENTALPIN_FAULT": f"{point}:kill",
    }
    command = [sys.executable, "-m", "tests.support.run_worker", str(deployer.folder), clock.now().isoformat()]
    died = await asyncio.to_thread(
        subprocess.run, command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert died.returncode == -9, died.stderr

    await end_leases()
    await worker.drain()

    await as_if_nothing_had_happened(kind, started)

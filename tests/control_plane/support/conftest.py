"""A clinic at work, its support person and its owner; a deployer that brings support's questions to a runtime in this process."""

from types import SimpleNamespace

import httpx2
import pytest

from control_plane.deployers.base import DeployerUnavailable, RuntimeRefused
from control_plane.operations.worker import Worker
from control_plane.tenants import service as tenants
from tests.control_plane.access.conftest import people
from tests.support.deployer import FakeDeployer

__all__ = ["people"]


class Answering(FakeDeployer):
    """Support's questions go to `runtime`, a client of a runtime's application; `away` and `old` say that it cannot be asked."""

    runtime: httpx2.AsyncClient | None = None
    away = old = asleep = False
    asked = 0

    async def request(self, tenant_id, method, path, json=None, token=None):
        if "/-/support/" not in path:
            return await super().request(tenant_id, method, path, json, token)
        self.asked += 1
        if self.away:
            raise DeployerUnavailable("the runtime does not answer")
        if self.old:
            raise RuntimeRefused("nothing at this address", answered=404, code="not_found")
        if self.runtime is None:
            return {"data": {"state": "requested"}}
        answer = await self.runtime.request(method, path, json=json, headers={"Authorization": f"Bearer {token}"})
        if 400 <= answer.status_code < 500:
            raise RuntimeRefused(answer.text, answered=answer.status_code)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def control_channels(self):
        return {} if self.asleep else await super().control_channels()


@pytest.fixture
def deployer(tmp_path):
    return Answering(tmp_path / "deployed")


@pytest.fixture
async def world(client, platform, people, deployer):
    worker = Worker(platform, platform.servers.own, name="w")
    await worker.drain()
    async with platform.database.transaction() as session:
        tenant = await tenants.find(session, "own")

    async def look():
        await worker.run_passes("support")

    async def audited():
        rows = (await client.get("/v1/tenants/own/audit")).json()["items"]
        return [each["action"] for each in reversed(rows) if each["action"].startswith("support.")]

    return SimpleNamespace(client=client, platform=platform, people=people, deployer=deployer, tenant=tenant, look=look, audited=audited)

"""A supervisor with a fake runtime in place of `dentalpin`, in this process or as a process of its own."""

import asyncio
import json
import signal
import stat
import sys
from pathlib import Path
from uuid import uuid4

import httpx2 as httpx
import pytest

from control_plane.deployers.local.rules import Timing
from control_plane.deployers.local.settings import SupervisorSettings
from control_plane.deployers.local.supervisor import Supervisor
from tests.support.supervision import SupervisorProcess

FAKE = Path(__file__).with_name("fake_runtime.py")
QUICK = Timing(first_retry=0.1, longest_retry=0.4, patience=5.0, start_limit=30.0, drain_limit=20.0, stop_limit=5.0, steady_after=30.0)
SECONDS = 30.0


class Platform:
    """The supervisor's door, and one tenant behind it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tenant = str(uuid4())
        self.client = httpx.AsyncClient(timeout=60)

    @property
    def tenant_folder(self) -> Path:
        return self.folder / "tenants" / self.tenant

    def behave(self, **behaviour) -> None:
        self.tenant_folder.mkdir(parents=True, exist_ok=True)
        (self.tenant_folder / "behaviour.json").write_text(json.dumps(behaviour))

    def starts(self) -> list[dict]:
        file = self.tenant_folder / "starts.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    async def call(self, method: str, path: str, **more) -> httpx.Response:
        announced = json.loads((self.folder / "run" / "supervisor.json").read_text())
        headers = {"Authorization": f"Bearer {announced['token']}"}
        return await self.client.request(method, announced["url"] + path, headers=headers, **more)

    async def put(self, digest: str = "one", **more) -> dict:
        spec = {"slug": "clinica-sol", "name": "Clínica Sol", "digest": digest} | more
        return (await self.call("PUT", f"/tenants/{self.tenant}", json=spec)).json()

    async def show(self) -> dict:
        return (await self.call("GET", f"/tenants/{self.tenant}")).json()

    async def post(self, action: str, **body) -> dict:
        return (await self.call("POST", f"/tenants/{self.tenant}/{action}", json=body)).json()

    async def until(self, condition) -> dict:
        """The tenant as the supervisor shows it, once `condition` holds."""
        shown = {}
        try:
            async with asyncio.timeout(SECONDS):
                while not condition(shown := await self.show()):  # noqa: ASYNC110 - another process has no event of ours
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pytest.fail(f"not reached within {SECONDS:.0f} s: {shown}")
        return shown

    async def serving(self, digest: str = "one") -> dict:
        await self.put(digest)
        return await self.until(lambda shown: shown["state"] == "serving" and shown["serving_digest"] == digest)

    def pid(self, shown: dict, role: str = "serving") -> int:
        return next(process["pid"] for process in shown["processes"] if process["role"] == role)

    async def get(self, port: int, path: str = "/", **more) -> httpx.Response:
        async with httpx.AsyncClient(timeout=60) as visitor:
            return await visitor.get(f"http://127.0.0.1:{port}{path}", **more)


@pytest.fixture
def runtime_env(tmp_path):
    program = tmp_path / "env" / "bin" / "dentalpin"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -E "{FAKE}"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return tmp_path / "env"


@pytest.fixture
def settings(tmp_path, runtime_env):
    return SupervisorSettings.read({"DENTALPIN_DATA": str(tmp_path / "data"), "DENTALPIN_RUNTIME_ENV": str(runtime_env)})


@pytest.fixture
async def supervisor(settings):
    started = Supervisor(settings, QUICK)
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
async def platform(settings, supervisor):
    found = Platform(settings.folder)
    yield found
    await found.client.aclose()


@pytest.fixture
async def process(settings):
    started = SupervisorProcess(settings.folder, settings.runtime.parents[1])
    await started.start()
    yield started
    await started.end(signal.SIGTERM)


@pytest.fixture
async def platform_of_process(settings, process):
    found = Platform(settings.folder)
    yield found
    await found.client.aclose()

"""10,000 tenants on the simulated deployer: a pass over all of them, changes picked up, the API, memory, and how they grow from 1,000."""

import asyncio
import gc
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx2

from dentalpin_kit.postgres import EmbeddedServer
from tests.bench._platform import resident_mib

SIZES: Final = tuple(int(size) for size in os.environ.get("BENCH_FLEET", "1000,10000").split(","))
CHANGES: Final = 100
REQUESTS: Final = 200
WARM_UP: Final = 20
PASSES: Final = 5
_WRITTEN = "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint FROM pg_stat_user_tables"


def measure() -> dict[str, Any]:
    """Each size in a process of its own, so that its memory is its own."""
    with _server() as (folder, url):
        found = {str(size): _in_own_process(size, folder / str(size), url) for size in SIZES}
    first, last = found[str(SIZES[0])], found[str(SIZES[-1])]
    return {"sizes": found, "tenfold": {name: last[name] / first[name] for name in last if first[name]}}


@contextmanager
def _server() -> Iterator[tuple[Path, str]]:
    folder = Path(tempfile.mkdtemp(prefix="dentalpin-bench-"))
    embedded = EmbeddedServer(folder / "server", durable=True)
    try:
        yield folder, embedded.start().url()
    finally:
        embedded.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _in_own_process(size: int, folder: Path, url: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.fleet", str(size), str(folder), url]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(printed.splitlines()[-1])
    return found


async def _measured(size: int, folder: Path, url: str) -> dict[str, float]:
    from control_plane.operations.worker import Worker
    from control_plane.simulators.fleet import populate

    async with _platform(size, folder, url) as (platform, databases, deployer, sql):
        await populate(platform, deployer, size, lived=True)
        await sql.execute("VACUUM ANALYZE")
        # What the simulator holds is the clinics' own memory elsewhere: looking for garbage in it is not the platform's work.
        gc.collect()
        gc.freeze()
        before = resident_mib(os.getpid())
        # Before anybody asks the API, which notes when a key was last used.
        found = await _passes(platform, databases, sql)
        worker = Worker(platform, databases)
        async with _served(platform) as served:
            api_before = resident_mib(served.pid)
            found |= await _asked(served, size)
            found |= await _changed(served.client, worker, deployer, size)
            found["mib_added"] = resident_mib(os.getpid()) - before
            found["api_mib_added"] = resident_mib(served.pid) - api_before
    return found


@asynccontextmanager
async def _platform(size: int, folder: Path, url: str) -> AsyncIterator[tuple[Any, Any, Any, asyncpg.Connection]]:
    from control_plane.clock import SystemClock
    from control_plane.config import Settings
    from control_plane.migrations import migrate
    from control_plane.platform import Platform
    from control_plane.releases import service as releases
    from control_plane.simulators.databases import SimulatedDatabases
    from control_plane.simulators.deployer import SimulatedDeployer
    from dentalpin_kit.canonical import digest_text
    from tests.support.platform import MODULES

    admin = await asyncpg.connect(url)
    await admin.execute(f"CREATE DATABASE fleet_{size}")
    await admin.close()
    own = url.rpartition("/")[0] + f"/fleet_{size}"
    await migrate(own)
    clock = SystemClock()
    databases = SimulatedDatabases(clock)
    deployer = SimulatedDeployer(databases, clock)
    settings = Settings(database_url=own, tenant_database_admin_url=url, data=folder, public_url="http://platform.example")
    platform = replace(Platform.build(settings, clock=clock, deployer=deployer), servers=databases)
    document = {"schema": 1, "core_version": "1.0.0", "modules": MODULES, "unusable": {}, "schemas": {}}
    release = digest_text(json.dumps(document))
    async with platform.database.transaction() as session:
        await releases.register(session, release, document, environment=settings.environment, at=clock.now())
    sql = await asyncpg.connect(own)
    try:
        yield platform, databases, deployer, sql
    finally:
        await sql.close()
        await platform.close()


@dataclass(frozen=True)
class Served:
    """The API in a process of its own, as it is in use, and a client of it in this one."""

    pid: int
    client: httpx2.AsyncClient

    def cpu_seconds(self) -> float:
        """What the process has worked so far, whoever else the machine worked for."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def _served(platform: Any) -> AsyncIterator[Served]:
    from control_plane.access.service import create_key

    settings = platform.settings
    async with platform.database.transaction() as session:
        _, key = await create_key(session, "bench", at=platform.clock.now())
    with socket.create_server(("127.0.0.1", 0)) as listening, tempfile.TemporaryFile() as said:
        environment = os.environ | {
            "DATABASE_URL": settings.database_url.get_secret_value(),
            "PUBLIC_URL": settings.public_url,
            "DENTALPIN_DATA": str(settings.data),
            "DENTALPIN_LISTEN_FD": str(listening.fileno()),
            "DENTALPIN_PARENT_PID": str(os.getpid()),
            # More than a bench sends: what is measured is an answer, not a refusal.
            "DENTALPIN_REQUESTS_PER_MINUTE": "1000000",
        }
        command = [sys.executable, "-m", "control_plane.api"]
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, pass_fds=[listening.fileno()], stdout=said, stderr=said, stdin=asyncio.subprocess.DEVNULL
        )
        headers = {"Authorization": f"Bearer {key}"}
        base_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            async with httpx2.AsyncClient(base_url=base_url, headers=headers, timeout=120) as client:
                # The socket listens already: the first answer comes when the process is ready.
                (await client.get("/v1/session")).raise_for_status()
                yield Served(process.pid, client)
        finally:
            process.terminate()
            await process.wait()


async def _passes(platform: Any, databases: Any, sql: asyncpg.Connection) -> dict[str, float]:
    """The pass over a fleet in which nothing differs, and how many rows it wrote."""
    from control_plane.operations.steps import Tools
    from control_plane.operations.surveying import survey

    tools = Tools(platform, databases)
    await survey(tools)
    await _written(sql)
    before, took = await _written(sql), []
    for _ in range(PASSES):
        begun = time.perf_counter()
        await survey(tools)
        took.append(time.perf_counter() - begun)
    return {"pass_seconds": statistics.median(took), "pass_writes": float(await _written(sql) - before)}


async def _written(sql: asyncpg.Connection) -> int:
    """Rows written in this database so far; sessions report what they did within a second of being idle."""
    await asyncio.sleep(1.5)
    await sql.execute("SELECT pg_stat_clear_snapshot()")
    return int(await sql.fetchval(_WRITTEN))


async def _asked(served: Served, size: int) -> dict[str, float]:
    """A page of 50, from anywhere in the list, and one tenant: how long a caller waits, and what the process works for it."""

    async def pages(count: int) -> AsyncIterator[None]:
        after = None
        for _ in range(count):
            answer = await served.client.get("/v1/tenants", params={"limit": 50, **({"after": after} if after else {})})
            assert answer.status_code == 200, answer.text
            yield
            after = answer.json()["next"]

    async def ones(count: int) -> AsyncIterator[None]:
        for number in range(count):
            answer = await served.client.get(f"/v1/tenants/clinic-{number * size // count}")
            assert answer.status_code == 200, answer.text
            yield

    found = {}
    for name, requests in (("list", pages), ("get", ones)):
        # A process that has long been running has read its statements and its release before.
        async for _ in requests(WARM_UP):
            pass
        took, cpu, begun = [], served.cpu_seconds(), time.perf_counter()
        async for _ in requests(REQUESTS):
            took.append(time.perf_counter() - begun)
            begun = time.perf_counter()
        found[f"{name}_p95_seconds"] = _p95(took)
        found[f"{name}_median_seconds"] = statistics.median(took)
        found[f"{name}_cpu_seconds"] = (served.cpu_seconds() - cpu) / REQUESTS
    return found


async def _changed(client: httpx2.AsyncClient, worker: Any, deployer: Any, size: int) -> dict[str, float]:
    """From the answer to a change until its clinic is told of it, with a worker that has long been running."""
    stop = asyncio.Event()
    # It looks at everybody when it starts; that is not what is measured.
    worker._look_at_everybody = _nothing
    running = asyncio.create_task(worker.run(stop))
    await asyncio.sleep(2)
    asked: dict[str, float] = {}
    told: dict[str, float] = {}
    everybody = asyncio.Event()
    apply = deployer.apply

    async def noticed(tenant: Any, revision: dict[str, Any], database: Any) -> None:
        if tenant.slug in asked:
            told.setdefault(tenant.slug, time.perf_counter())
            if len(told) == CHANGES:
                everybody.set()
        await apply(tenant, revision, database)

    deployer.apply = noticed
    for number in range(CHANGES):
        slug = f"clinic-{number * size // CHANGES}"
        asked[slug] = time.perf_counter()
        answer = await client.put(f"/v1/tenants/{slug}/modules", json={"modules": ["inventory"]})
        assert answer.status_code == 202, answer.text
        asked[slug] = time.perf_counter()
    await everybody.wait()
    stop.set()
    await running
    return {"pickup_p95_seconds": _p95([max(0.0, told[slug] - asked[slug]) for slug in asked])}


async def _nothing(stop: asyncio.Event) -> None:
    return


def _p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


def show(result: dict[str, Any]) -> list[str]:
    lines = []
    for size, found in result["sizes"].items():
        lines.append(
            f"{int(size):,} tenants: a pass {found['pass_seconds']:.2f} s (goal 5) with {found['pass_writes']:.0f} rows written (goal 0); "
            f"a change is picked up in {found['pickup_p95_seconds']:.2f} s p95 (goal 2)"
        )
        lines.append(
            "  "
            + "; ".join(
                f"{name} {found[f'{name}_p95_seconds'] * 1000:.0f} ms p95 (goal 50), "
                f"{found[f'{name}_median_seconds'] * 1000:.0f} ms median, "
                f"{found[f'{name}_cpu_seconds'] * 1000:.1f} ms of the API's CPU"
                for name in ("list", "get")
            )
            + f"; {found['mib_added']:.0f} MiB more in the worker, {found['api_mib_added']:.0f} MiB in the API than when it began"
        )
    grown = ", ".join(f"{name.removesuffix('_seconds')} {factor:.1f}" for name, factor in result["tenfold"].items())
    return [*lines, f"from {SIZES[0]:,} to {SIZES[-1]:,} grows by: {grown}"]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_measured(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))))

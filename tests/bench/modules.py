"""The module platform: installing everything, a boot with nothing to do, removing and reinstalling, events, row-level security."""

import asyncio
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from app.testing.server import Server, TenantDatabase, create_database, drop_database, make_roles
from dentalpin_kit.postgres import EmbeddedServer
from tests.bench import _events, _isolation
from tests.bench._generated import MODULES, name_of, write_modules
from tests.support.runtime_process import TenantRuntime

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
LEAF = name_of(MODULES)
_REAPED = 0.7
# From the first entry of the log to the last: of the removal, of the install after it, and of the removal's dump.
_TOOK = """
    WITH log AS (SELECT *, (SELECT min(id) FROM core_module_operation_log WHERE module_name = $1 AND operation = 'uninstall') AS turn
                 FROM core_module_operation_log WHERE module_name = $1),
         parts AS (SELECT operation AS part, created_at FROM log WHERE id >= turn
                   UNION ALL SELECT step, created_at FROM log WHERE step = 'backup')
    SELECT part, extract(epoch FROM max(created_at) - min(created_at))::float AS seconds FROM parts GROUP BY part
"""


def measure() -> dict[str, Any]:
    with _workplace() as (folder, server):
        site = write_modules(folder / "site")
        install = [_install_everything(folder, server, site) for _ in range(ROUNDS)]
        reinstall = [_uninstall_and_reinstall(folder, server, site) for _ in range(ROUNDS)]
        return {
            "install": _median(install),
            "reinstall": _median(reinstall),
            "boot_generated": _median([_boot(folder, server, site) for _ in range(ROUNDS)]),
            "boot_official": _median([_boot(folder, server, None) for _ in range(ROUNDS)]),
            "events": _in_new_database(server, _events.measure),
            "isolation": _in_new_database(server, _isolation.measure),
            "rounds": ROUNDS,
        }


@contextmanager
def _workplace() -> Iterator[tuple[Path, Server]]:
    folder = Path(tempfile.mkdtemp(prefix="dentalpin-bench-"))
    embedded = EmbeddedServer(folder / "server", durable=True)
    try:
        server = Server(embedded.start().url(), embedded.binaries.bindir, folder, password=secrets.token_hex(8))
        make_roles(server)
        yield folder, server
    finally:
        embedded.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _database(server: Server) -> Iterator[TenantDatabase]:
    name = create_database(server)
    try:
        yield server.tenant(name)
    finally:
        drop_database(server, name)


def _in_new_database(server: Server, work: Any) -> dict[str, float]:
    with _database(server) as database:
        found: dict[str, float] = asyncio.run(work(database, server))
        return found


@contextmanager
def _importable(site: Path) -> Iterator[None]:
    sys.path.insert(0, str(site))
    try:
        with warnings.catch_warnings():
            # The models of an earlier round are still in the mapper's registry.
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.path.remove(str(site))
        for name in [name for name in sys.modules if name.startswith("dp_bench")]:
            del sys.modules[name]
        from app.database import Base

        for table in [table for name, table in Base.metadata.tables.items() if name.startswith("bench")]:
            Base.metadata.remove(table)


async def _processed(database: TenantDatabase, storage: Path, site: Path, **choices: bool) -> float:
    """Seconds of one run of the processor."""
    from app.core.plugins.loader import discover_modules
    from app.core.plugins.processor import Processor
    from app.core.plugins.registry import ModuleRegistry

    begun = time.perf_counter()
    processor = Processor(
        database.owner_url, storage, discovery=discover_modules([str(site)]), registry=ModuleRegistry(), bindir=database.bindir
    )
    report = await processor.run(**choices)
    assert report.ok, report
    return time.perf_counter() - begun


async def _add_clinic(database: TenantDatabase) -> None:
    from app.core.plugins.processor import Processor
    from app.core.plugins.registry import ModuleRegistry

    processor = Processor(database.owner_url, Path("/nonexistent"), registry=ModuleRegistry())
    await processor.migrate_core()
    connection = await asyncpg.connect(database.owner_url)
    await connection.execute(
        "INSERT INTO clinics (name, country, timezone, currency, locale) VALUES ('Sol', 'ES', 'Europe/Madrid', 'EUR', 'es-ES')"
    )
    await connection.close()


def _install_everything(folder: Path, server: Server, site: Path) -> dict[str, float]:
    """The processor on an empty database, and psql with the very statements that make the same, in one transaction.

    Importing the packages, which a process that serves them does as well, is stated apart.
    """
    with _database(server) as ours, _database(server) as theirs, _importable(site):
        imported = _import_packages(site)
        spent = _spent(server)
        seconds = asyncio.run(_processed(ours, folder / "storage", site))
        work = _spent(server) - spent
        script = folder / "everything.sql"
        assert server.bindir is not None
        dump = [server.bindir / "pg_dump", "--no-owner", "--inserts", f"--dbname={ours.owner_url}", f"--file={script}"]
        subprocess.run(dump, check=True)
        psql = [server.bindir / "psql", "--single-transaction", "--quiet", "--no-psqlrc", "--output=/dev/null"]
        spent = _spent(server)
        begun = time.perf_counter()
        subprocess.run([*psql, "--set=ON_ERROR_STOP=1", f"--file={script}", f"--dbname={theirs.owner_url}"], check=True)
        baseline = time.perf_counter() - begun
        baseline_work = _spent(server) - spent
    return {
        "seconds": seconds,
        "psql_seconds": baseline,
        "ratio": seconds / baseline,
        "work_ratio": work / baseline_work,
        "import_seconds": imported,
    }


def _import_packages(site: Path) -> float:
    from app.core.plugins.loader import discover_modules
    from app.core.plugins.processor import Processor

    assert Processor, "imported by every boot that changes something"
    begun = time.perf_counter()
    for found in discover_modules([str(site)]):
        assert found.module
    return time.perf_counter() - begun


def _spent(server: Server) -> float:
    """Processor time so far of this process, its children and the server: unlike seconds, about the same on a busy machine."""
    # A server process counts once it has ended and was waited for.
    time.sleep(_REAPED)
    postmaster = (server.folder / "server" / "data" / "postmaster.pid").read_text().split()[0]
    return sum(os.times()[:4]) + _cpu_seconds(int(postmaster))


def _uninstall_and_reinstall(folder: Path, server: Server, site: Path) -> dict[str, float]:
    """One module of the 24 goes and comes back, by the log; the dump is taken off, since its time is the rows' and pg_dump's.

    `starts` is what the two runs of the processor took with everything around the operations.
    """

    async def work(database: TenantDatabase) -> dict[str, float]:
        await _add_clinic(database)
        await _processed(database, folder / "storage", site)
        sql = await asyncpg.connect(database.owner_url)
        await sql.execute("UPDATE core_module SET state = 'to_remove' WHERE name = $1", LEAF)
        uninstall = await _processed(database, folder / "storage", site, removals=True)
        await sql.execute("UPDATE core_module SET state = 'to_install' WHERE name = $1", LEAF)
        install = await _processed(database, folder / "storage", site)
        took = {row["part"]: row["seconds"] for row in await sql.fetch(_TOOK, LEAF)}
        await sql.close()
        return {
            "seconds": took["uninstall"] - took["backup"] + took["install"],
            "uninstall": took["uninstall"] - took["backup"],
            "install": took["install"],
            "dump": took["backup"],
            "starts": uninstall + install - took["backup"],
        }

    with _database(server) as database, _importable(site):
        return asyncio.run(work(database))


def _boot(folder: Path, server: Server, site: Path | None) -> dict[str, float]:
    """The second start of a runtime whose modules are all installed: processor time until ready, and memory then."""

    async def work(database: TenantDatabase) -> dict[str, float]:
        place = Path(tempfile.mkdtemp(dir=folder))
        path = {"PYTHONPATH": str(site)} if site is not None else {}
        runtime = TenantRuntime(place, database, **path)
        try:
            await (await runtime.serve()).drain()
            begun = time.perf_counter()
            second = await runtime.serve()
            seconds = time.perf_counter() - begun
            found = {"cpu_seconds": _cpu_seconds(second.pid), "seconds": seconds, "resident_mb": _resident_mb(second.pid)}
            await second.drain()
            return found
        finally:
            await runtime.close()

    with _database(server) as database:
        return asyncio.run(work(database))


def _cpu_seconds(pid: int) -> float:
    """User and system time of the process, both stages of its start, and children it waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(value) for value in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    raise LookupError(f"process {pid} has no VmRSS")


def _median(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}


def show(result: dict[str, Any]) -> list[str]:
    install, reinstall = result["install"], result["reinstall"]
    boots = (("24 generated modules and the official ones", result["boot_generated"]), ("the official modules", result["boot_official"]))
    events, isolation = result["events"], result["isolation"]
    return [
        f"installing everything from an empty database: {install['ratio']:.2f} times psql with the same statements "
        f"({install['seconds']:.2f} s to {install['psql_seconds']:.2f} s), "
        f"{install['work_ratio']:.2f} times its processor time; goal under 4 "
        f"(importing the packages: {install['import_seconds']:.2f} s)",
        f"removing and reinstalling one module without the dump: {reinstall['seconds']:.3f} s "
        f"(remove {reinstall['uninstall']:.3f}, install {reinstall['install']:.3f}; dump {reinstall['dump']:.3f}; "
        f"both starts {reinstall['starts']:.3f}); goal under 0.2 s",
        *(
            f"a boot with nothing to do, {what}: {boot['cpu_seconds']:.2f} CPU s ({boot['seconds']:.2f} s), "
            f"{boot['resident_mb']:.0f} MB resident; goals under 2 s and 120 MB"
            for what, boot in boots
        ),
        f"an event published and delivered: {events['milliseconds']:.2f} ms, {events['ratio']:.1f} times the two bare transactions",
        f"a request with row-level security: {isolation['work_ratio']:.3f} times the processor time of one without, "
        f"{isolation['ratio']:.3f} times the seconds (a list: {isolation['milliseconds']:.2f} ms); goal under 1.1",
    ]

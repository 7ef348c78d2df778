"""What the crash matrix is made of: operations on a module, faults that strike them at one moment, and what must be so afterwards."""

import asyncio
import os
import re
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg

from tests.support.packages import Package, Site, drop, table

MOMENTS = ("before", "in", "after")
CONNECTIONS = {
    "lost_connections": "true",
    "lost_transaction": "NOT EXISTS (SELECT FROM pg_locks k WHERE k.pid = a.pid AND k.locktype = 'advisory')",
    "lost_lock": "EXISTS (SELECT FROM pg_locks k WHERE k.pid = a.pid AND k.locktype = 'advisory')",
}
"""Which of the processor's connections end: all, the one its transaction is on, the one that holds its lock and writes its log."""
FAULTS = ("kill", *CONNECTIONS)
_END = "SELECT count(pg_terminate_backend(a.pid, 5000)) FROM pg_stat_activity a WHERE a.datname = current_database()"
_PROCESSOR = "a.application_name = 'dentalpin-processor'"

SEEDS = """
- xml_id: stock.default
  table: stock_categories
  values: {name: "Consumables"}
- xml_id: stock.second
  table: stock_categories
  values: {name: "Implants"}
"""
HOOKS = """
async def install(self, ctx):
    from sqlalchemy import text
    await ctx.db.execute(text("INSERT INTO stock_notes DEFAULT VALUES"))

async def post_upgrade(self, ctx, from_version):
    await self.install(ctx)

async def uninstall(self, ctx):
    from sqlalchemy import text
    await ctx.db.execute(text("DELETE FROM stock_notes"))
"""
NAME = 'sa.Column("name", sa.String(50))'


def stock(site: Site, version: str = "1.0.0") -> Package:
    """Two tables, two seeds, and hooks that leave a row each time they are called."""
    package = site.add("stock", version=version, body=HOOKS, data_files=["data/seeds.yaml"])
    package.revision(
        "stock_0001",
        table("stock_categories", NAME),
        table("stock_notes", clinic=False),
        downgrade=[drop("stock_notes"), drop("stock_categories")],
    )
    return package.seeds(SEEDS)


def stock_in_pieces(site: Site) -> Package:
    """The same tables by three revisions: one outside any transaction, one committed by itself, one with the rest."""
    package = site.add("stock", body=HOOKS, data_files=["data/seeds.yaml"]).seeds(SEEDS)
    package.revision(
        "stock_0001",
        'op.execute("CREATE TABLE IF NOT EXISTS stock_categories (id uuid PRIMARY KEY, '
        'clinic_id uuid NOT NULL REFERENCES clinics, name varchar(50))")',
        'faults.point("stock.none.in")',
        'op.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_stock_categories_name ON stock_categories (name)")',
        downgrade=[drop("stock_categories")],
        extra='from dentalpin_kit import faults\ntransaction = "none"',
    )
    package.revision(
        "stock_0002",
        "op.execute(\"CREATE TYPE stock_kind AS ENUM ('a')\")",
        table("stock_notes", "sa.Column('kind', sa.Text)", clinic=False),
        'faults.point("stock.own.in")',
        down="stock_0001",
        downgrade=[drop("stock_notes"), 'op.execute("DROP TYPE stock_kind")'],
        extra='from dentalpin_kit import faults\ntransaction = "own"',
    )
    return package.revision("stock_0003", 'op.add_column("stock_notes", sa.Column("x", sa.Integer))', down="stock_0002")


@dataclass(frozen=True)
class Operation:
    """One operation of the processor on the module `stock`."""

    name: str
    logged: str
    """How the log calls it."""
    steps: tuple[str, ...]
    prepare: Callable[[Any, Site], Awaitable[None]]
    """Everything before it; afterwards `work` does it."""
    work: str = "modules"
    own_points: tuple[str, ...] = ()
    """Further moments, inside its migrations."""

    def point(self, step: str, moment: str) -> str:
        special = {"seed": "seeds.record.after", "backup": "backup.dump.in", "restore": "backup.restore.in"}
        return special[step] if moment == "in" and step in special else f"processor.{self.logged}.{step}.{moment}"

    async def again(self, runtime: Any) -> None:
        """What happens next: another start, and for a restore, the person who asked for it."""
        if self.work == "restore" and (await runtime.states())["stock"] == "uninstalled":
            from app.core.plugins.restoring import restore

            await restore(runtime.processor(), "stock")
        report = await runtime.boot(removals=True)
        assert report.ok, report


async def _before_install(runtime: Any, site: Site) -> None:
    stock(site)
    await runtime.add_clinic()
    await runtime.boot()
    await runtime.ask("stock")


async def _before_pieces(runtime: Any, site: Site) -> None:
    stock_in_pieces(site)
    await runtime.add_clinic()
    await runtime.boot()
    await runtime.ask("stock")


async def _before_upgrade(runtime: Any, site: Site) -> None:
    await _before_install(runtime, site)
    await runtime.boot()
    newer = stock(site, "1.1.0").revision("stock_0002", 'op.add_column("stock_notes", sa.Column("x", sa.Integer))', down="stock_0001")
    newer.seeds(SEEDS.replace("Implants", "Implants and screws"))


async def _before_uninstall(runtime: Any, site: Site) -> None:
    await _before_install(runtime, site)
    await runtime.boot()
    await runtime.ask("stock", "to_remove")


async def _before_restore(runtime: Any, site: Site) -> None:
    await _before_uninstall(runtime, site)
    assert (await runtime.boot(removals=True)).ok


UP = ("migrate", "seed", "lifecycle", "finalize")
OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation("install", "install", UP, _before_install),
        Operation("install_in_pieces", "install", UP, _before_pieces, own_points=("stock.none.in", "stock.own.in")),
        Operation("upgrade", "upgrade", UP, _before_upgrade),
        Operation(
            "uninstall", "uninstall", ("backup", "lifecycle", "delete_data", "migrate_down", "finalize"), _before_uninstall, "removals"
        ),
        Operation("restore", "restore", ("restore", "lifecycle", "finalize"), _before_restore, "restore"),
    )
}


@dataclass(frozen=True)
class Case:
    operation: Operation
    step: str
    moment: str
    point: str
    fault: str
    by_default: bool

    def __str__(self) -> str:
        return f"{self.operation.name}-{self.step}-{self.moment}-{self.fault}"


def cases() -> Iterator[Case]:
    """Every operation × step × moment × fault. By default each step meets one of them; together those cover all moments and faults."""
    turn = count()
    for operation in OPERATIONS.values():
        for step in operation.steps:
            chosen = next(turn)
            default = MOMENTS[chosen % len(MOMENTS)], FAULTS[chosen % len(FAULTS)]
            for moment in MOMENTS:
                for fault in FAULTS:
                    yield Case(operation, step, moment, operation.point(step, moment), fault, (moment, fault) == default)
        for point in operation.own_points:
            for fault in FAULTS:
                yield Case(operation, "migrate", point, point, fault, fault == "kill")
    for moment in MOMENTS:
        yield Case(OPERATIONS["uninstall"], "backup", moment, f"backup.dump.{moment}", "full", moment == "in")


async def strike(runtime: Any, zygote: Any, case: Case) -> int:
    """Run the operation in a process of its own with the fault; its exit status."""
    marker = runtime.storage.parent / "struck"
    action = "pause" if case.fault in CONNECTIONS else case.fault
    environment = {"DENTALPIN_FAULT": f"{case.point}:{action}", "DENTALPIN_FAULT_ONCE": str(marker)}
    child = asyncio.create_task(
        asyncio.to_thread(
            zygote.run,
            owner_url=runtime.database.owner_url,
            storage=runtime.storage,
            bindir=runtime.database.bindir,
            sites=[str(path) for path in runtime.site.folder.iterdir()],
            work=case.operation.work,
            module="stock",
            environment=environment,
        )
    )
    if action == "pause":
        while not marker.exists() and not child.done():  # noqa: ASYNC110  what is waited for happens in another process
            await asyncio.sleep(0.01)
        await runtime.sql.fetchval(f"{_END} AND {_PROCESSOR} AND {CONNECTIONS[case.fault]}")
        Path(f"{marker}.go").touch()
    status = await child
    assert marker.exists(), f"{case.point} was never reached; the process ended with {status}"
    return status


@dataclass(frozen=True)
class Result:
    """A database as far as two runs can be equal: its schema to the byte; its rows but for ids, times and the log."""

    schema: str
    rows: dict[str, list[str]]


_SAID_ANEW = re.compile(r"^\\(un)?restrict .*$", re.MULTILINE)
_NORMAL = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d(:?\d\d)?)?"), "<time>"),
    (re.compile(r'""fingerprint"": ""[0-9a-f]{64}""'), "<fingerprint>"),
)


async def result_of(runtime: Any) -> Result:
    dump = await asyncio.to_thread(_schema, runtime)
    rows = {}
    for name in sorted(await runtime.tables() - {"core_module_operation_log"}):
        found = await runtime.sql.fetch(f'SELECT t::text AS row FROM "{name}" t')
        rows[name] = sorted(_normal(row["row"]) for row in found)
    return Result(dump, rows)


def _schema(runtime: Any) -> str:
    url = runtime.database.owner_url
    command = [runtime.database.bindir / "pg_dump", "--schema-only", f"--dbname={url}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"})
    return _SAID_ANEW.sub("", done.stdout)


def _normal(row: str) -> str:
    for pattern, replacement in _NORMAL:
        row = pattern.sub(replacement, row)
    return row


@dataclass(frozen=True)
class Attempt:
    """What the log has of one attempt: (step, status), in order."""

    number: int
    trail: list[tuple[str, str]]

    @property
    def completed(self) -> list[str]:
        return [step for step, status in self.trail if status == "completed"]


async def attempts_in_log(sql: asyncpg.Connection, operation: str, first_step: str) -> list[Attempt]:
    rows = await sql.fetch(
        "SELECT attempt, step, status FROM core_module_operation_log WHERE module_name = 'stock' AND operation = $1 ORDER BY id", operation
    )
    found: list[Attempt] = []
    for row in rows:
        # A restore is asked for by a person and not counted: each begins with its first step.
        anew = operation == "restore" and (row["step"], row["status"]) == (first_step, "started")
        if not found or found[-1].number != row["attempt"] or anew:
            found.append(Attempt(row["attempt"], []))
        found[-1].trail.append((row["step"], row["status"]))
    return found

"""A runtime's database, the packages beside it and the processes that serve it, as the state machine of the processor drives them."""

import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.core.plugins import books
from app.core.plugins.errors import PluginError
from app.core.plugins.loader import Discovery
from app.core.plugins.models import ModuleRecord
from app.core.plugins.processor import Processor
from app.core.plugins.registry import ModuleRegistry
from app.core.plugins.report import ProcessorReport
from app.core.plugins.states import HAS_SCHEMA
from app.core.runtime.locks import ServingLocks
from app.database import sqlalchemy_url
from app.testing.server import TenantDatabase
from tests.support.packages import Package, Site, drop, table
from tests.support.zygote import Zygote

NEWEST = 3
_TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname LIKE 'm%\\_items%'"


@dataclass
class World:
    """Modules `m0` … by a graph of dependencies; each has a table per version, the first one pointing at the tables of what it needs."""

    database: TenantDatabase
    folder: Path
    zygote: Zygote
    depends: Mapping[str, tuple[str, ...]]
    site: Site = field(init=False)
    packages: dict[str, int] = field(default_factory=dict)
    """The version, counted from 1, of each package that is here."""
    serving: list[tuple[ServingLocks, frozenset[str]]] = field(default_factory=list)
    """Processes that serve, and what each has mounted."""

    def __post_init__(self) -> None:
        self.site = Site(self.folder / "site")
        self.engine: AsyncEngine = create_async_engine(sqlalchemy_url(self.database.owner_url), poolclass=NullPool)

    async def close(self) -> None:
        for locks, _ in self.serving:
            await locks.release()
        await self.engine.dispose()
        self.site.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # Packages

    def put_package(self, name: str, version: int) -> None:
        """`pip install` of that version, in place of the one that is here."""
        package = self.site.add(name, version=f"1.{version}.0", depends=list(self.depends[name]), body=_HOOKS)
        previous = "0001"
        for number in range(1, version + 1):
            _revision(package, name, number, previous, self.depends[name])
            previous = f"{name}_{number:04d}"
        self.packages[name] = version

    def take_package(self, name: str) -> None:
        self.site.remove(name)
        del self.packages[name]

    @property
    def discovery(self) -> Discovery:
        return self.site.discover()

    # What people and processes do

    async def ask(self, work: Callable[[AsyncConnection, Discovery], Awaitable[Any]]) -> bool:
        """What REST and the CLI do; False if it was refused."""
        try:
            async with self.engine.begin() as connection:
                await work(connection, self.discovery)
        except PluginError:
            return False
        return True

    async def boot(self, *, removals: bool = True) -> ProcessorReport:
        processor = Processor(
            self.database.owner_url,
            self.folder / "storage",
            discovery=self.discovery,
            registry=ModuleRegistry(),
            bindir=self.database.bindir,
        )
        return await processor.run(removals=removals)

    def crash(self, point: str) -> None:
        """A boot that is killed there, if it gets there."""
        self.zygote.run(
            owner_url=self.database.owner_url,
            storage=self.folder / "storage",
            bindir=self.database.bindir,
            sites=[str(path) for path in (self.folder / "site").iterdir()] if self.packages else [],
            work="removals",
            environment={"DENTALPIN_FAULT": point},
        )

    async def serve(self) -> None:
        """A process takes its locks and mounts what it may; it goes on until `drain`."""
        locks = ServingLocks(self.database.app_url)
        state = await locks.take()
        mounted: list[str] = []
        for name in sorted(state.mountable & self.packages.keys(), key=lambda name: (len(_needs(name, self.depends)), name)):
            if all(need in mounted for need in self.depends[name]):
                mounted.append(name)
        self.serving.append((locks, frozenset(mounted)))

    async def drain(self) -> None:
        """The oldest serving process leaves."""
        locks, _ = self.serving.pop(0)
        await locks.release()

    # What can be seen

    async def look(self) -> "Seen":
        async with self.engine.connect() as connection:
            records = await books.read_records(connection)
            owners = await books.table_owners(connection)
        sql = await asyncpg.connect(self.database.owner_url)
        try:
            tables = {row[0] for row in await sql.fetch(_TABLES)}
            heads = {row[0] for row in await sql.fetch("SELECT version_num FROM alembic_version")}
            unprotected = {
                row[0]
                for row in await sql.fetch(
                    "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'clinic_id'"
                    " WHERE c.relkind = 'r' AND c.relname LIKE 'm%\\_items%' AND NOT c.relrowsecurity"
                )
            }
        finally:
            await sql.close()
        return Seen(records, owners, tables, heads, unprotected)


@dataclass(frozen=True)
class Seen:
    records: Mapping[str, ModuleRecord]
    owners: Mapping[str, str]
    tables: set[str]
    heads: set[str]
    unprotected: set[str]

    @property
    def with_schema(self) -> set[str]:
        return {name for name, record in self.records.items() if record.state in HAS_SCHEMA}

    def tables_of(self, name: str) -> set[str]:
        """The tables the module must have, by the version the books give it."""
        record = self.records[name]
        if name not in self.with_schema or record.version is None:
            return set()
        return {f"{name}_items{number}" for number in range(1, int(record.version.split(".")[1]) + 1)}


_HOOKS = """
async def install(self, ctx):
    from sqlalchemy import text
    await ctx.db.execute(text(f"SELECT count(*) FROM {ctx.module_name}_items1"))
"""


def _revision(package: Package, name: str, number: int, previous: str, depends: tuple[str, ...]) -> None:
    made = f"{name}_items{number}"
    links = [f'sa.Column("{need}", sa.Uuid, sa.ForeignKey("{need}_items1.id"))' for need in depends] if number == 1 else []
    package.revision(f"{name}_{number:04d}", table(made, *links), down=previous, downgrade=[drop(made)])


def _needs(name: str, depends: Mapping[str, tuple[str, ...]]) -> set[str]:
    found: set[str] = set()
    for need in depends[name]:
        found |= {need, *_needs(need, depends)}
    return found

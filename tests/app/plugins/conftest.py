"""A runtime's database and the processor over the packages of one test."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.core.plugins.processor import Processor
from app.core.plugins.registry import ModuleRegistry
from app.core.plugins.report import ProcessorReport
from app.core.plugins.retrying import Limits
from app.migrations.locations import CORE_VERSIONS
from tests.support.packages import Site, site
from tests.support.postgres import Postgres, TenantDatabase, database_from, in_fresh_loop, make_template
from tests.support.zygote import zygote

__all__ = ["site", "zygote"]

CORE_REVISIONS = {path.name[:4] for path in CORE_VERSIONS.glob("0*.py")}


@dataclass
class Runtime:
    """The processor as boot runs it: each `boot` discovers anew."""

    database: TenantDatabase
    site: Site
    storage: Path
    sql: asyncpg.Connection
    generation: int | None = None
    limits: Limits = field(default_factory=Limits)

    def processor(self) -> Processor:
        return Processor(
            self.database.owner_url,
            self.storage,
            discovery=self.site.discover(),
            registry=ModuleRegistry(),
            generation=self.generation,
            bindir=self.database.bindir,
            limits=self.limits,
        )

    async def boot(self, *, removals: bool = False) -> ProcessorReport:
        return await self.processor().run(removals=removals)

    async def ask(self, name: str, state: str = "to_install") -> None:
        """What the CLI or a revision writes."""
        changed = await self.sql.execute(
            "UPDATE core_module SET state = $2, attempts = 0, next_attempt_at = NULL WHERE name = $1", name, state
        )
        assert changed == "UPDATE 1", f"{name} is not in the books"

    async def install(self, *names: str) -> ProcessorReport:
        """Make the packages known, ask for them, boot."""
        await self.boot()
        for name in names:
            await self.ask(name)
        return await self.boot()

    async def uninstall(self, name: str) -> ProcessorReport:
        await self.ask(name, "to_remove")
        return await self.boot(removals=True)

    async def states(self) -> dict[str, str]:
        return dict(await self.sql.fetch("SELECT name, state FROM core_module"))

    async def error(self, name: str) -> str | None:
        return await self.sql.fetchval("SELECT error_message FROM core_module WHERE name = $1", name)

    async def tables(self) -> set[str]:
        rows = await self.sql.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')"
        )
        return {row["relname"] for row in rows}

    async def heads(self) -> set[str]:
        """Heads beside the core's own."""
        rows = await self.sql.fetch("SELECT version_num FROM alembic_version")
        return {row["version_num"] for row in rows} - CORE_REVISIONS

    async def trail(self, module: str) -> list[tuple[str, str, str]]:
        rows = await self.sql.fetch(
            "SELECT operation, step, status FROM core_module_operation_log WHERE module_name = $1 ORDER BY id", module
        )
        return [tuple(row) for row in rows]

    async def add_clinic(self, name: str = "Sol") -> Any:
        return await self.sql.fetchval(
            "INSERT INTO clinics (name, country, timezone, currency, locale)"
            " VALUES ($1, 'ES', 'Europe/Madrid', 'EUR', 'es-ES') RETURNING id",
            name,
        )

    async def snapshot(self) -> dict[str, Any]:
        """Every table's columns and rows, alembic_version included; the core's own books are left out."""
        found: dict[str, Any] = {}
        books = {"core_module", "core_module_operation_log", "core_module_request", "core_setting", "core_revision"}
        for table in sorted(await self.tables() - books):
            columns = await self.sql.fetch(
                "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = $1 ORDER BY ordinal_position", table
            )
            rows = await self.sql.fetch(f'SELECT t::text AS row FROM "{table}" t ORDER BY 1')
            found[table] = ([tuple(column) for column in columns], [row["row"] for row in rows])
        return found


def _migrate_core(database: TenantDatabase) -> None:
    async def migrate() -> None:
        await Processor(database.owner_url, Path("/nonexistent"), registry=ModuleRegistry()).migrate_core()

    in_fresh_loop(migrate)


RuntimeMaker = Callable[[str], AbstractAsyncContextManager[Runtime]]


@pytest.fixture
def make_runtime(postgres: Postgres, site: Site, tmp_path: Path) -> RuntimeMaker:
    """A database whose core is migrated, without a clinic; storage of the given name; the packages of the test's site."""
    template = make_template(postgres, "template_plugins_core", _migrate_core)

    @asynccontextmanager
    async def make(name: str) -> AsyncIterator[Runtime]:
        with database_from(postgres, template) as database:
            sql = await asyncpg.connect(database.owner_url)
            try:
                yield Runtime(database, site, tmp_path / name, sql)
            finally:
                await sql.close()

    return make


@pytest.fixture
async def runtime(make_runtime: RuntimeMaker) -> AsyncIterator[Runtime]:
    """A database whose core is migrated, without a clinic, and no packages yet."""
    async with make_runtime("storage") as made:
        yield made

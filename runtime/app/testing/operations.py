"""Installing and removing modules in a test's database, as `dentalpin modules …` and the restart after it do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .clinics import process, processor_for
from .server import TenantDatabase

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

    from app.core.plugins.checkup import Finding
    from app.core.plugins.restoring import RestoreAnswer


@dataclass(frozen=True, slots=True)
class ModuleOperations:
    """`dentalpin modules install|uninstall|restore` and the restart that carries it out; nothing may serve the module meanwhile."""

    tenant: TenantDatabase
    storage: Path

    async def install(self, name: str) -> None:
        await self._ask("install", name)

    async def uninstall(self, name: str) -> None:
        """Raises what refuses it (NotRemovable, NeededByModules …)."""
        await self._ask("uninstall", name)

    async def restore(self, name: str) -> RestoreAnswer:
        """The latest backup's rows, back in their tables. Raises RestoreRefused."""
        from app.core.plugins.restoring import restore

        answer = await restore(processor_for(self.tenant, self.storage), name)
        await self.restart()
        return answer

    async def doctor(self) -> list[Finding]:
        """What `dentalpin modules doctor` says; each finding has `code`, `severity`, `module` and `message`."""
        from app.core.plugins.doctor import examine
        from app.core.plugins.loader import core_version, discover_modules

        found: list[Finding] = []

        async def look(connection: AsyncConnection) -> None:
            found.extend(await examine(connection, discover_modules(), core_version=core_version()))

        await self.in_transaction(look)
        return found

    async def restart(self) -> None:
        """The processor runs at every start, mostly with nothing to do."""
        await process(self.tenant, self.storage)

    async def fetch(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Rows as the owner sees them."""
        import asyncpg

        connection = await asyncpg.connect(self.tenant.owner_url)
        try:
            return [tuple(row) for row in await connection.fetch(query, *arguments)]
        finally:
            await connection.close()

    async def as_owner(self, work: Callable[[Connection], object]) -> None:
        """Run `work(connection)` in one transaction of the owner."""

        async def run(connection: AsyncConnection) -> None:
            await connection.run_sync(work)

        await self.in_transaction(run)

    async def _ask(self, change: str, name: str) -> None:
        from app.core.plugins import service
        from app.core.plugins.loader import core_version, discover_modules
        from app.core.plugins.plan import Change

        discovery = discover_modules()
        around = service.Surroundings(discovery, core_version(), service.from_packages(discovery), bypasses_isolation=True)
        await self.in_transaction(lambda connection: service.ask(connection, around, Change(change), name, asker=service.Asker("cli")))
        await self.restart()

    async def in_transaction(self, work: Callable[[AsyncConnection], Awaitable[object]]) -> None:
        """Await `work(connection)` in one transaction of the owner."""
        from sqlalchemy.ext.asyncio import create_async_engine

        from app.database import sqlalchemy_url

        engine = create_async_engine(sqlalchemy_url(self.tenant.owner_url))
        try:
            async with engine.begin() as connection:
                await work(connection)
        finally:
            await engine.dispose()

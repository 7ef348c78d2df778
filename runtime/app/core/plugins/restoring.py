"""Restoring a module's rows: the backup's own steps, with the processor's lock, migrations and books around them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from . import books
from .backup import Restored, find_backup, restore_module
from .backup.restore import Present
from .errors import DependencyMissing, UnknownModule
from .models import ModuleRecord
from .operation import Run, Workshop, finalize_install
from .processor import Processor
from .revisions import OwnedRevision
from .service import refuse_if_managed
from .states import State, Trigger
from .target import Target

_WAY: Final = {
    State.UNINSTALLED: Trigger.INSTALL,
    State.INSTALLED: Trigger.UPGRADE,
    State.TO_REMOVE: Trigger.WITHDRAW,
    State.DISABLED: Trigger.TOGGLE,
}
"""Towards a state from which finalize leads to installed."""


@dataclass(frozen=True, slots=True)
class ModuleMigrations:
    """One module's revisions, as `restore_module` asks for them."""

    run: Run

    @property
    def _own(self) -> Sequence[OwnedRevision]:
        return self.run.workshop.book.of(self.run.name)

    @property
    def known(self) -> Collection[str]:
        return {revision.revision for revision in self._own if revision.script is not None}

    async def upgrade_to(self, conn: AsyncConnection, revisions: Sequence[str]) -> None:
        plan = [revision for revision in await self.run.plan(conn) if revision.revision in set(revisions)]
        await self.run.migrate(conn, plan)

    async def upgrade_to_head(self, conn: AsyncConnection) -> None:
        await self.run.migrate(conn, await self.run.plan(conn))

    async def remove(self, conn: AsyncConnection) -> None:
        plan = self.run.workshop.book.downgrade_plan(self.run.name, await self.run.applied(conn))
        await self.run.migrate(conn, plan, upgrade=False)


async def restore_backup(
    owner_url: str,
    storage: Path,
    name: str,
    *,
    backup_id: str | None = None,
    replace: bool = False,
    managed: bool = False,
    bindir: Path | None = None,
) -> Restored:
    """Bring a module's rows back and leave it installed at its package's version; all of it or nothing.

    A process that serves the module waits for the locks and goes on. On a managed runtime the module must be installed: the platform
    decides that. Raises UnknownModule, DependencyMissing, ManagedElsewhere, or what `restore_module` raises.
    """
    processor = Processor(owner_url, storage, bindir=bindir)
    async with processor.locked():
        await processor.run()
        workshop = await processor.workshop()
        async with workshop.log.step(name, "restore", "restore", 1) as details:
            restored = await _restore(processor, workshop, name, backup_id, replace=replace, managed=managed)
            details.update(restored.backup.summary())
        return restored


async def _restore(processor: Processor, workshop: Workshop, name: str, backup_id: str | None, *, replace: bool, managed: bool) -> Restored:
    found = processor.discovery.get(name)
    if found is None:
        raise UnknownModule(name, processor.discovery.modules)
    target = Target(found, found.manifest)
    async with workshop.transaction() as connection:
        records = await books.read_records(connection)
        for need in target.manifest.depends:
            if need not in records or records[need].state not in {State.INSTALLED, State.DISABLED}:
                raise DependencyMissing(name, need)
        record = await books.claim(connection, name)
        if record is None:
            raise UnknownModule(name, records)
        if managed and record.state not in {State.INSTALLED, State.TO_UPGRADE, State.DISABLED}:
            await refuse_if_managed(connection, managed=True)
        run = Run(workshop, name, "restore", 1)
        restored = await restore_module(
            connection,
            find_backup(workshop.storage, name, backup_id),
            migrations=ModuleMigrations(run),
            owner_url=workshop.owner_url,
            storage=workshop.storage,
            core_version=workshop.core_version,
            present=await _present(connection, run, record),
            replace=replace,
            bindir=workshop.bindir,
        )
        await _note_installed(connection, workshop, target, record)
        await connection.commit()
    return restored


async def _present(connection: AsyncConnection, run: Run, record: ModuleRecord) -> Present | None:
    applied = await run.applied(connection)
    revisions = [revision.revision for revision in run.workshop.book.of(run.name) if revision.revision in applied]
    tables = [table for table, owner in (await books.table_owners(connection)).items() if owner == run.name]
    if record.version is None and not revisions:
        return None
    return Present(record.version or "0.0.0", revisions, tables)


async def _note_installed(connection: AsyncConnection, workshop: Workshop, target: Target, record: ModuleRecord) -> None:
    """Whatever the module was, it is installed now: by way of the state that leads there."""
    while record.state in _WAY:
        await books.move(connection, record, _WAY[record.state])
        claimed = await books.claim(connection, record.name)
        assert claimed is not None
        record = claimed
    await finalize_install(connection, workshop, target, record)

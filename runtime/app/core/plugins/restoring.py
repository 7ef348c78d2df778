"""`dentalpin modules restore`: a backup's rows put back under the processor's lock, and the books that go with them.

What is loaded is as old as the backup; if the package is newer, the module is left `to_upgrade`, so that the next start seeds it and calls
its `post_upgrade` with the backup's version, as after any upgrade.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from . import books
from .backup import Backup, Present, Restored, RestoreRefused, find_backup, restore_module
from .errors import DependencyMissing, ManagedElsewhere, UnknownModule
from .manifest import version_key
from .operation import Run, Workshop, call_hook, finalize_install
from .pending import Packages
from .processor import Processor
from .retrying import retried
from .revisions import OwnedRevision
from .states import HAS_SCHEMA, IN_FORCE, State, Trigger
from .target import Target

_ADOPTED: Final = sa.text("""
    SELECT document #>> '{platform,url}' AS platform,
           EXISTS (SELECT FROM jsonb_array_elements(document -> 'modules') m WHERE m ->> 'name' = :module) AS wanted
    FROM core_revision ORDER BY generation DESC LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class RestoreAnswer:
    """What a restore did, for the CLI and the API."""

    module: str
    version: str
    backup: Mapping[str, Any]
    replaced: Mapping[str, Any] | None
    """The backup of the rows that were there before."""
    state: str
    requires_restart: bool

    @property
    def message(self) -> str:
        parts = [f"{self.module} {self.version} is restored from {self.backup['id']}: {self.backup['rows']} rows."]
        if self.replaced is not None:
            parts.append(f"The rows that were there are kept in {self.replaced['id']}.")
        return " ".join(parts)


async def restore(
    processor: Processor, name: str, *, file: str | None = None, replace: bool = False, managed: bool = False
) -> RestoreAnswer:
    """Put the rows of a backup (the latest, or `file`) back and leave the module installed at its package's schema.

    Stand-alone: also a module that is not installed; its install hook is called again. Managed: only one that the adopted revision contains
    and that is installed, else ManagedElsewhere names the platform. Rows that are there are replaced only if `replace`, and are backed up
    first. Raises UnknownModule, BackupNotFound, DependencyMissing, MigrationRefused, HookFailed or another BackupError; then nothing was
    changed.
    """
    async with processor.locked():
        packages = await processor.packages()
        workshop = await processor.workshop()
        await _check(workshop, packages, name, managed=managed)
        backup = find_backup(processor.storage, name, file)
        return await retried(name, lambda: _restore(workshop, packages, backup, replace))


async def _check(workshop: Workshop, packages: Packages, name: str, *, managed: bool) -> None:
    if name not in packages.records:
        raise UnknownModule(name, packages.manifests)
    if managed:
        await _check_managed(workshop, name, packages.records[name].state)
    obstacle = packages.obstacle(name, workshop.core_version)
    if obstacle is not None:
        raise obstacle
    for need in packages.manifests[name].depends:
        if need not in packages.records or packages.records[need].state not in HAS_SCHEMA:
            raise DependencyMissing(name, need)


async def _check_managed(workshop: Workshop, name: str, state: State) -> None:
    async with workshop.transaction() as connection:
        adopted = (await connection.execute(_ADOPTED, {"module": name})).one_or_none()
    if adopted is None or not adopted.wanted:
        raise ManagedElsewhere(None if adopted is None else adopted.platform)
    if state not in HAS_SCHEMA:
        raise RestoreRefused(f"{name} is {state}: the platform asks for it, and it is not installed yet. Restart, then restore it.")


async def _restore(workshop: Workshop, packages: Packages, backup: Backup, replace: bool) -> RestoreAnswer:
    name = backup.manifest.module
    run = Run(workshop, name, "restore", 1)
    target = Target(packages.discovery.modules[name], packages.manifests[name])
    async with workshop.transaction() as connection:
        record = await books.claim(connection, name)
        if record is None or record.state is State.TO_REMOVE:
            raise RestoreRefused(f"{name} is being removed. Let that end with a restart, or take it back, then restore it.")
        async with run.step("restore") as details:
            restored = await restore_module(
                connection,
                backup,
                migrations=_ModuleMigrations(run),
                owner_url=workshop.owner_url,
                storage=workshop.storage,
                core_version=workshop.core_version,
                present=await _present(run, connection, record.version) if record.state in HAS_SCHEMA else None,
                replace=replace,
                bindir=workshop.bindir,
            )
            details.update(_details(restored))
        after_commit: list[Callable[[], object]] = []
        if record.state not in HAS_SCHEMA:
            async with run.step("lifecycle"):
                await call_hook(connection, run, target, record, "install", after_commit)
        async with run.step("finalize"):
            state = await _write_books(workshop, connection, target, backup.manifest.version)
            run.halfway("finalize")
            await connection.commit()
    for callback in after_commit:
        callback()
    return RestoreAnswer(
        module=name,
        version=backup.manifest.version,
        backup=restored.backup.summary(),
        replaced=restored.replaced.summary() if restored.replaced else None,
        state=state,
        requires_restart=state is not record.state,
    )


async def rehearse(workshop: Workshop, packages: Packages, backup: Backup) -> None:
    """Bring a backup of a module that is not installed back, and let it go again: nothing is kept. Raises what a restore raises."""
    run = Run(workshop, backup.manifest.module, "restore", 1)
    async with workshop.transaction() as connection:
        await restore_module(
            connection,
            backup,
            migrations=_ModuleMigrations(run),
            owner_url=workshop.owner_url,
            storage=workshop.storage,
            core_version=workshop.core_version,
            bindir=workshop.bindir,
        )


async def _present(run: Run, connection: AsyncConnection, version: str | None) -> Present:
    applied = await run.applied(connection)
    owners = await books.table_owners(connection)
    return Present(
        version=version or "0.0.0",
        revisions=[revision.revision for revision in run.workshop.book.of(run.name) if revision.revision in applied],
        tables=[table for table, owner in owners.items() if owner == run.name],
    )


def _details(restored: Restored) -> dict[str, Any]:
    return {"backup": restored.backup.summary(), "replaced": restored.replaced.summary() if restored.replaced else None}


async def _write_books(workshop: Workshop, connection: AsyncConnection, target: Target, version: str) -> State:
    """The module is installed, and if its rows are of an older version, an upgrade from that version is due."""
    record = await books.claim(connection, target.name)
    assert record is not None
    if record.state is State.UNINSTALLED:
        await books.move(connection, record, Trigger.INSTALL)
        record = await books.claim(connection, target.name)
        assert record is not None
    if record.state in {State.TO_INSTALL, State.TO_UPGRADE}:
        await finalize_install(connection, workshop, target, record)
        record = await books.claim(connection, target.name)
        assert record is not None
    if record.state in IN_FORCE and version_key(version) < version_key(target.manifest.version):
        return await books.move(connection, record, Trigger.UPGRADE, version=version, attempts=0)
    return record.state


@dataclass(frozen=True, slots=True)
class _ModuleMigrations:
    """One module's migrations inside the restore's transaction, with ownership and policies as at an install."""

    run: Run

    @property
    def known(self) -> frozenset[str]:
        return frozenset(revision.revision for revision in self.run.workshop.book.of(self.run.name) if revision.script is not None)

    async def upgrade_to(self, conn: AsyncConnection, revisions: Sequence[str]) -> None:
        await self._migrate(conn, [revision for revision in await self.run.plan(conn) if revision.revision in revisions])

    async def upgrade_to_head(self, conn: AsyncConnection) -> None:
        await self._migrate(conn, await self.run.plan(conn))

    async def remove(self, conn: AsyncConnection) -> None:
        plan = self.run.workshop.book.downgrade_plan(self.run.name, await self.run.applied(conn))
        await self.run.migrate(conn, plan, upgrade=False)

    async def _migrate(self, conn: AsyncConnection, plan: Sequence[OwnedRevision]) -> None:
        alone = [revision.revision for revision in plan if revision.transaction == "none"]
        if alone:
            raise RestoreRefused(
                f"Revision {', '.join(alone)} of {self.run.name} cannot run inside the restore's transaction. Nothing was changed. "
                f"Install {self.run.name} first, then restore into it."
            )
        await self.run.migrate(conn, plan)

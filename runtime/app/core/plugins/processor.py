"""The pending processor: turns what `core_module` asks for into what is. Runs at every boot, before anything is mounted (seeds §5).

Order of a run, under one advisory lock: core migrations → packages against books → installs and upgrades, dependencies first. Removals
come last, dependents first, and only of modules that no process serves any more.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.core import clock
from app.core.isolation import CORE_EXEMPT, apply_policies
from dentalpin_kit import locks

from . import books, collection, migrations, operation
from .connections import processor_engine
from .errors import ManifestInvalid, ProcessorLockLost, RemovalRefused
from .loader import Discovery, core_version, discover_modules
from .models import ModuleRecord
from .operation_log import OperationLog, describe
from .pending import Packages, bring_up_to_date, nothing_to_do
from .processor_lock import POLL_SECONDS, processor_lock, release, try_lock
from .registry import ModuleRegistry, MountedModule, module_registry
from .report import ModuleOutcome, Outcome, ProcessorReport
from .retrying import Limits, retried
from .revision_adoption import apply_latest_revision
from .revisions import ANCHOR, CORE, RevisionBook, read_book
from .states import HAS_SCHEMA, PENDING, State, Trigger
from .target import Target
from .topology import in_order

logger = logging.getLogger(__name__)

PACKAGE_PROBLEM: Final = "The package of "
"""How the errors begin that are over once the right package is back."""


class Processor:
    """One per boot. `owner_url` is the owner's (libpq style); `generation` the adopted revision's, None for a stand-alone runtime."""

    def __init__(
        self,
        owner_url: str,
        storage: Path,
        *,
        discovery: Discovery | None = None,
        registry: ModuleRegistry | None = None,
        generation: int | None = None,
        bindir: Path | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.owner_url = owner_url
        self.storage = storage
        self.discovery = discovery if discovery is not None else discover_modules()
        self.registry = registry if registry is not None else module_registry
        self.generation = generation
        self._bindir = bindir
        self._limits = limits or Limits()
        self._core_version = core_version()
        self._engine: AsyncEngine | None = None
        self._books: AsyncConnection | None = None
        self._book: RevisionBook | None = None

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Hold the processor's lock over several calls. `run` and `migrate_core` take it themselves when it is not held."""
        if self._books is not None:
            yield
            return
        async with self._connected() as connection, processor_lock(connection):
            yield

    async def migrate_core(self) -> tuple[str, ...]:
        """Apply the core's own revisions that are missing, in one transaction; returns them. Raises what stopped it, nothing kept."""
        async with self.locked():
            return await retried("core", self._migrate_core)

    async def run(self, *, removals: bool = False, wait: bool = False) -> ProcessorReport:
        """Bring every module to where the books want it; with `removals` those to go as well, waiting for older processes if `wait`.

        One module's failure is its own: it is recorded, its dependents are skipped with that reason, the rest goes on.
        Raises only what concerns all: ProcessorLockLost, a database that cannot be reached, core migrations that fail.
        """
        async with self.locked():
            await retried("core", self._migrate_core)
            with collection.put_off():
                report = await self._install_pending()
        return report.merged(await self.remove_pending(wait=wait)) if removals else report

    async def remove_pending(self, *, wait: bool = False) -> ProcessorReport:
        """Remove what is to be removed, dependents first, each once nobody serves it. Without `wait` those still served are left."""
        if self._books is not None:
            with collection.put_off():
                return await self._remove_unserved()
        report = ProcessorReport()
        async with self._connected() as connection:
            while True:
                # Let go of between two looks: another boot must not wait for a removal that waits for an older process.
                async with processor_lock(connection):
                    with collection.put_off():
                        report = report.merged(await self._remove_unserved())
                if not (wait and report.removals_pending):
                    return report
                await asyncio.sleep(POLL_SECONDS)

    async def packages(self) -> Packages:
        """Packages against books, both brought up to date as a run begins; nothing is installed. Only inside `locked`."""
        assert self._books is not None
        await retried("core", self._migrate_core)
        packages = Packages(self.discovery, await books.read_records(self._books))
        if not nothing_to_do(packages):
            await self._read_revisions(packages)
            await self._bring_up_to_date(packages)
            packages = Packages(self.discovery, await books.read_records(self._books))
        return packages

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        self._engine = processor_engine(self.owner_url)
        try:
            async with self._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                # A log entry may be lost with the server's machine, never reordered; it is worth no disk flush of its own.
                await connection.exec_driver_sql("SET synchronous_commit = off")
                self._books = connection
                yield connection
        finally:
            self._books = None
            await self._engine.dispose()
            self._engine = None

    @property
    def _log(self) -> OperationLog:
        assert self._books is not None
        return OperationLog(self._books, self.generation)

    async def workshop(self) -> operation.Workshop:
        """What operations of this run share, with every module's revisions read. Only inside `locked`."""
        assert self._books is not None
        if self._book is None:
            await self._read_revisions(Packages(self.discovery, await books.read_records(self._books)))
        return self._workshop()

    def _workshop(self) -> operation.Workshop:
        assert self._engine is not None
        return operation.Workshop(
            engine=self._engine,
            log=self._log,
            book=self._book or read_book({}, {}),
            owner_url=self.owner_url,
            storage=self.storage,
            core_version=self._core_version,
            generation=self.generation,
            bindir=self._bindir,
            limits=self._limits,
        )

    async def _migrate_core(self) -> tuple[str, ...]:
        async with self._workshop().transaction() as connection:
            book = read_book({}, {})
            heads = await connection.run_sync(migrations.current_heads)
            # Any head at all implies the anchor: module branches start there.
            applied = book.applied([head for head in heads if head in book.revisions] or ([ANCHOR] if heads else []))
            applied |= await self._core_revisions_below_modules(connection, book, heads)
            plan = book.upgrade_plan(CORE, applied)
            if not plan:
                return ()
            migrated = await connection.run_sync(migrations.run, book.with_unknown_heads(heads), plan)
            await connection.run_sync(apply_policies, [*CORE_EXEMPT])
            await connection.commit()
            return migrated.revisions

    async def _core_revisions_below_modules(
        self, connection: AsyncConnection, book: RevisionBook, heads: tuple[str, ...]
    ) -> frozenset[str]:
        """Core revisions that only module heads imply: a module may be built on a later core revision than the anchor."""
        if not heads:
            return frozenset()
        records = await books.read_records(connection)
        remembered = read_book({}, {name: record.manifest_snapshot.get("revisions", ()) for name, record in records.items()})
        return frozenset(name for name in remembered.applied(heads) if name in book.revisions)

    async def _install_pending(self) -> ProcessorReport:
        assert self._books is not None
        packages = Packages(self.discovery, await books.read_records(self._books))
        if self.generation is not None and await self._adopt(packages):
            packages = Packages(self.discovery, await books.read_records(self._books))
        if not nothing_to_do(packages):
            await self._read_revisions(packages)
            await self._bring_up_to_date(packages)
            packages = Packages(self.discovery, await books.read_records(self._books))
        mounted_before = {module.name for module in self.registry.mounted}
        outcomes: dict[str, ModuleOutcome] = {}
        try:
            self._mount_installed(packages)
            for name in in_order(packages.records, packages.depends):
                outcomes[name] = await self._settle(packages, name, outcomes)
        finally:
            for module in self.registry.mounted:
                if module.name not in mounted_before:
                    self.registry.unmount(module.name)
        return ProcessorReport(tuple(outcomes.values()))

    async def _adopt(self, packages: Packages) -> bool:
        """Mark what the adopted revision asks for, if that was not done before."""
        async with self._workshop().transaction() as connection:
            adopted = await apply_latest_revision(connection, packages)
            await connection.commit()
        if adopted is not None:
            logger.info("revision %s: install %s, remove %s", self.generation, list(adopted.to_install), list(adopted.to_remove))
        return adopted is not None

    async def _read_revisions(self, packages: Packages) -> None:
        assert self._books is not None
        folders = {}
        for found in self.discovery:
            if found.name not in packages.errors and found.versions_path is not None:
                folders[found.name] = found.versions_path
        remembered = {name: record.manifest_snapshot.get("revisions", ()) for name, record in packages.records.items()}
        book = read_book(folders, remembered)
        self._book = book.with_unknown_heads(await self._books.run_sync(migrations.current_heads))

    async def _bring_up_to_date(self, packages: Packages) -> None:
        assert self._book is not None
        async with self._workshop().transaction() as connection:
            applied = self._book.applied(await connection.run_sync(migrations.current_heads))
            fresh = self.generation is None and not packages.records
            await bring_up_to_date(connection, packages, self._book, applied, stand_alone_start=fresh)
            await connection.commit()

    def _mount_installed(self, packages: Packages) -> None:
        """Hooks may publish events: the subscriptions of what is installed have to be known."""
        if not any(record.state in PENDING for record in packages.records.values()):
            return
        for name in books.mountable(packages.records, set(self.discovery.modules)):
            self._mount(packages.records[name])

    def _mount(self, record: ModuleRecord) -> None:
        found = self.discovery.get(record.name)
        try:
            if found is not None:
                self.registry.mount(MountedModule(found.module, found.manifest), disabled=record.switched_off)
        except ManifestInvalid as error:
            logger.warning("%s", error)

    async def _settle(self, packages: Packages, name: str, outcomes: dict[str, ModuleOutcome]) -> ModuleOutcome:
        """One module's turn; those it needs have had theirs."""
        assert self._books is not None
        record = packages.records[name]
        outcome = ModuleOutcome(name, Outcome.UNCHANGED, record.state, record.version)
        if record.state is State.TO_REMOVE:
            return replace(outcome, outcome=Outcome.WAITING, operation="uninstall")
        if record.state in {State.TO_INSTALL, State.TO_UPGRADE}:
            return await self._try(packages, record, outcomes)
        problem: str | None = None
        if record.state in HAS_SCHEMA:
            if name not in self.discovery or name in packages.errors:
                cause = packages.errors.get(name)
                problem = (
                    f"{PACKAGE_PROBLEM}{name} is not usable here, its tables are kept: {cause or 'it is gone'}. Install it again with pip."
                )
                outcome = replace(outcome, outcome=Outcome.ORPHAN, reason=problem)
            elif packages.is_older(name):
                problem = f"{PACKAGE_PROBLEM}{name} is older than {record.version}, the database's; it stays so. Install a newer one."
                outcome = replace(outcome, outcome=Outcome.OLDER, reason=problem)
            elif record.error_message is not None and not record.error_message.startswith(PACKAGE_PROBLEM):
                # Kept from a removal that was refused or given up: the module is here, and that is not what was asked.
                problem = record.error_message
                outcome = replace(outcome, outcome=Outcome.REFUSED, reason=problem)
        if record.error_message != problem:
            await books.note_error(self._books, name, problem)
        return outcome

    async def _try(self, packages: Packages, record: ModuleRecord, outcomes: dict[str, ModuleOutcome]) -> ModuleOutcome:
        assert self._books is not None
        name = record.name
        kind = "install" if record.state is State.TO_INSTALL else "upgrade"
        outcome = ModuleOutcome(name, Outcome.FAILED, record.state, record.version, kind)
        obstacle = packages.obstacle(name, self._core_version)
        if obstacle is not None:
            await books.note_error(self._books, name, str(obstacle))
            return replace(outcome, reason=str(obstacle))
        for need in packages.manifests[name].depends:
            behind = outcomes.get(need)
            if behind is None or behind.state not in {State.INSTALLED, State.DISABLED} or behind.outcome is Outcome.ORPHAN:
                why = behind.reason if behind is not None and behind.reason else "it is not installed"
                reason = f"{name} waits for {need}: {why}"
                await books.note_error(self._books, name, reason)
                return replace(outcome, outcome=Outcome.SKIPPED, reason=reason)
        rests = self._limits.rests(record, clock.now())
        if rests is not None:
            return replace(outcome, reason=rests, attempt=record.attempts)
        target = Target(self.discovery.modules[name], packages.manifests[name])
        attempt = await self._log.begin(name)
        try:
            await retried(name, lambda: operation.install(self._workshop(), target, attempt))
        except ProcessorLockLost:
            raise
        except Exception as error:
            # One module's failure, whatever it is, is recorded and the others go on.
            reason = describe(error)
            if await self._landed(name, State.INSTALLED, reason):
                self._mount(record)
                return ModuleOutcome(name, Outcome.DONE, State.INSTALLED, target.manifest.version, kind, attempt=attempt)
            logger.exception("%s of %s failed at attempt %d", kind, name, attempt)
            await self._failed(name, reason, attempt)
            return replace(outcome, reason=reason, attempt=attempt)
        self._mount(record)
        return ModuleOutcome(name, Outcome.DONE, State.INSTALLED, target.manifest.version, kind, attempt=attempt)

    async def _remove_unserved(self) -> ProcessorReport:
        assert self._books is not None
        records = await books.read_records(self._books)
        going = [name for name, record in records.items() if record.state is State.TO_REMOVE]
        if not going:
            return ProcessorReport()
        await self.workshop()
        outcomes: list[ModuleOutcome] = []
        for name in reversed(in_order(going, {name: record.depends for name, record in records.items()})):
            key = locks.serving(name)
            if not await try_lock(self._books, key):
                outcomes.append(ModuleOutcome(name, Outcome.WAITING, State.TO_REMOVE, records[name].version, "uninstall"))
                continue
            try:
                outcomes.append(await self._remove(name))
            finally:
                if not self._books.invalidated:
                    await release(self._books, key)
        return ProcessorReport(tuple(outcomes))

    async def _remove(self, name: str) -> ModuleOutcome:
        """Nobody serves the module, and nobody will: the lock is held. Read again: waiting may have changed it."""
        assert self._books is not None
        record = (await books.read_records(self._books))[name]
        if record.state is not State.TO_REMOVE:
            return ModuleOutcome(name, Outcome.UNCHANGED, record.state, record.version)
        rests = self._limits.rests(record, clock.now())
        if rests is not None:
            return ModuleOutcome(name, Outcome.FAILED, record.state, record.version, "uninstall", rests, record.attempts)
        attempt = await self._log.begin(name)
        try:
            found = self.discovery.get(name)
            await retried(name, lambda: operation.uninstall(self._workshop(), name, found, attempt))
        except ProcessorLockLost:
            raise
        except RemovalRefused as error:
            if record.installed_at is None:
                await books.note_error(self._books, name, str(error))
                return ModuleOutcome(name, Outcome.FAILED, State.TO_REMOVE, None, "uninstall", str(error), attempt)
            await self._stays(record, str(error))
            return ModuleOutcome(name, Outcome.REFUSED, State.INSTALLED, record.version, "uninstall", str(error), attempt)
        except Exception as error:
            reason = describe(error)
            if await self._landed(name, State.UNINSTALLED, reason):
                return ModuleOutcome(name, Outcome.DONE, State.UNINSTALLED, None, "uninstall", attempt=attempt)
            logger.exception("uninstall of %s failed at attempt %d", name, attempt)
            if attempt >= self._limits.attempts and record.installed_at is not None:
                await self._stays(
                    record, f"Its removal was given up after {attempt} attempts, it is installed as before; the last said: {reason}"
                )
                return ModuleOutcome(name, Outcome.REFUSED, State.INSTALLED, record.version, "uninstall", reason, attempt)
            await self._failed(name, reason, attempt)
            return ModuleOutcome(name, Outcome.FAILED, State.TO_REMOVE, record.version, "uninstall", reason, attempt)
        return ModuleOutcome(name, Outcome.DONE, State.UNINSTALLED, None, "uninstall", attempt=attempt)

    async def _landed(self, name: str, state: State, reason: str) -> bool:
        """Whether an operation that failed is done all the same: the answer to its commit was lost, not the commit.

        Raises ProcessorLockLost if the connection that holds the lock is gone as well: then nobody may say anything about the module.
        """
        assert self._books is not None
        try:
            found = (await books.read_records(self._books))[name].state
        except DBAPIError as error:
            if error.connection_invalidated:
                raise ProcessorLockLost from error
            raise
        if found is state:
            logger.warning("%s is %s, although the last it said was: %s", name, state, reason)
        return found is state

    async def _failed(self, name: str, reason: str, attempt: int) -> None:
        assert self._books is not None
        await books.note_error(self._books, name, reason, next_attempt_at=self._limits.next_attempt(attempt, clock.now()))

    async def _stays(self, record: ModuleRecord, reason: str) -> None:
        assert self._books is not None
        values = {**books.CLEARED, "error_message": reason, "error_at": sa.func.now()}
        await books.move(self._books, record, Trigger.REFUSE, **values)

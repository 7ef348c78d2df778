"""One operation on one module: install, upgrade or uninstall, as one transaction that happened or did not (architecture, "Processor").

The steps are the seeds' (guide §5). The one exception to "one transaction" are revisions that ask for it (`transaction = "own"` or
`"none"`): everything before and including them is committed piece by piece, each piece with the ownership of its tables, and the next boot
goes on where this one stopped.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from app.core.events.outbox import close_deliveries
from app.core.isolation import CORE_EXEMPT, apply_policies
from app.core.jobs.schedule import forget_jobs
from app.database import joined_unit
from dentalpin_kit import faults

from . import backup, books, demo_filling, interrupted, migrations, seeds
from .base import BaseModule, ModuleContext
from .errors import DependencyUndeclared, HookFailed, MigrationRefused, NotRemovable, StillReferenced
from .loader import DiscoveredModule
from .models import ModuleRecord, core_table_owner
from .operation_log import OperationLog, describe
from .ownership import Ownership
from .references import still_referenced, undeclared_references
from .retrying import Limits
from .revisions import OwnedRevision, RevisionBook
from .seed_files import read_seeds
from .states import State, Trigger
from .target import Target, snapshot

logger = logging.getLogger(__name__)

_CLINICS: Final = sa.text("SELECT id FROM clinics ORDER BY created_at, id")


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every operation of one run shares."""

    engine: AsyncEngine
    log: OperationLog
    book: RevisionBook
    owner_url: str
    storage: Path
    core_version: str
    generation: int | None
    bindir: Path | None = None
    limits: Limits = field(default_factory=Limits)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A connection inside a transaction that is rolled back unless the block commits it."""
        async with self.engine.connect() as connection:
            await connection.begin()
            await connection.exec_driver_sql(self.limits.settings_sql())
            yield connection


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt at one operation on one module: its steps in the log, its migrations."""

    workshop: Workshop
    name: str
    operation: str
    attempt: int

    def step(self, step: str) -> Any:
        return self.workshop.log.step(self.name, self.operation, step, self.attempt)

    def halfway(self, step: str) -> None:
        """The fault point in the middle of a step: its work is under way and nothing of it is committed yet."""
        faults.point(f"processor.{self.operation}.{step}.in")

    async def applied(self, connection: AsyncConnection) -> frozenset[str]:
        return self.workshop.book.applied(await connection.run_sync(migrations.current_heads))

    async def plan(self, connection: AsyncConnection) -> tuple[OwnedRevision, ...]:
        return self.workshop.book.upgrade_plan(self.name, await self.applied(connection))

    async def beforehand(self, connection: AsyncConnection) -> tuple[OwnedRevision, ...]:
        """What asks for a transaction of its own, and what comes before it. Usually nothing.

        A plan that cannot be made is the migrate step's failure, and is logged there.
        """
        if all(revision.transaction == "module" for revision in self.workshop.book.of(self.name)):
            return ()
        try:
            plan = await self.plan(connection)
        except MigrationRefused:
            return ()
        last = max((index for index, revision in enumerate(plan) if revision.transaction != "module"), default=-1)
        return plan[: last + 1]

    async def migrate(self, connection: AsyncConnection, plan: Sequence[OwnedRevision], *, upgrade: bool = True) -> list[str]:
        """Run the plan, record what became whose, refuse what touched others, and isolate the module's tables by clinic."""
        if not plan and upgrade:
            return []
        ownership = Ownership(self.name, await books.table_owners(connection))
        before = await connection.run_sync(migrations.catalogue)
        migrated = await connection.run_sync(migrations.run, self.workshop.book, plan, upgrade=upgrade, present=before)
        self.halfway("migrate" if upgrade else "migrate_down")
        after = await connection.run_sync(migrations.catalogue)
        if not upgrade:
            left = await ownership.drop_leftovers(connection, after)
            if left:
                logger.warning("the downgrade of %s left %s behind; dropped after the backup", self.name, ", ".join(left))
                after = await connection.run_sync(migrations.catalogue)
        ownership.refuse_foreign(before, after)
        await connection.run_sync(ownership.record, migrated.created, after)
        await connection.run_sync(apply_policies, ownership.tables(migrated.created, after))
        return list(migrated.revisions)


async def install(workshop: Workshop, target: Target, attempt: int) -> bool:
    """Bring the module from to_install or to_upgrade to installed. False if another process already has. Raises what stopped it."""
    while True:
        async with workshop.transaction() as connection:
            record = await books.claim(connection, target.name)
            if record is None or record.state not in {State.TO_INSTALL, State.TO_UPGRADE}:
                return False
            run = Run(workshop, target.name, "install" if record.state is State.TO_INSTALL else "upgrade", attempt)
            if await _take_over_leftovers(connection, target.name):
                continue
            beforehand = await run.beforehand(connection)
            if not beforehand:
                await _install_whole(connection, run, target, record)
                return True
        await _commit_piecewise(run, beforehand)


async def _install_whole(connection: AsyncConnection, run: Run, target: Target, record: ModuleRecord) -> None:
    async with run.step("migrate") as details:
        details["revisions"] = await run.migrate(connection, await run.plan(connection))
        await _refuse_undeclared(connection, target)
    async with run.step("seed") as details:
        details.update(await _seed(connection, target))
    after_commit: list[Callable[[], object]] = []
    async with run.step("lifecycle") as details:
        await call_hook(connection, run, target, record, run.operation, after_commit)
        if run.operation == "install" and await demo_filling.fill(connection, run, target, after_commit):
            details["demo"] = True
    async with run.step("finalize"):
        await finalize_install(connection, run.workshop, target, record)
        run.halfway("finalize")
        await connection.commit()
    for callback in after_commit:
        callback()


async def uninstall(workshop: Workshop, name: str, found: DiscoveredModule | None, attempt: int) -> backup.Backup | None:
    """Bring the module from to_remove to uninstalled; None if another process already has.

    Raises NotRemovable, StillReferenced (refusals), MigrationRefused, a BackupError or what a hook raises.
    """
    async with workshop.transaction() as connection:
        await _take_over_leftovers(connection, name)
    async with workshop.transaction() as connection:
        record = await books.claim(connection, name)
        if record is None or record.state is not State.TO_REMOVE:
            return None
        owners = await books.table_owners(connection)
        own = {table for table, owner in owners.items() if owner == name}
        await _refuse(connection, record, owners)
        run = Run(workshop, name, "uninstall", attempt)
        applied = await run.applied(connection)
        plan = workshop.book.downgrade_plan(name, applied)
        async with run.step("backup") as details:
            dumped = await backup.dump_module(
                connection,
                owner_url=workshop.owner_url,
                storage=workshop.storage,
                module=name,
                version=record.version or "0.0.0",
                core_version=workshop.core_version,
                revisions=[revision.revision for revision in reversed(plan)],
                tables=own,
                bindir=workshop.bindir,
            )
            details.update(dumped.summary())
        after_commit: list[Callable[[], object]] = []
        async with run.step("lifecycle") as details:
            if found is None:
                details["skipped"] = "the package is not installed here"
            elif record.installed_at is None:
                details["skipped"] = "its install never ended"
            else:
                await call_hook(connection, run, Target(found, found.manifest), record, "uninstall", after_commit)
        async with run.step("delete_data") as details:
            details["seeds"] = await seeds.forget_seeds(connection, name, own)
            run.halfway("delete_data")
            details["deliveries_closed"] = await close_deliveries(connection, name, f"{name} was uninstalled")
            details["jobs_removed"] = await forget_jobs(connection, name)
        async with run.step("migrate_down") as details:
            details["revisions"] = await run.migrate(connection, plan, upgrade=False)
            details["dropped"] = sorted(own)
        async with run.step("finalize"):
            await _finalize_uninstall(connection, record)
            run.halfway("finalize")
            await connection.commit()
    for callback in after_commit:
        callback()
    return dumped


async def _commit_piecewise(run: Run, plan: Sequence[OwnedRevision]) -> None:
    async with run.step("migrate") as details:
        details["revisions"] = [revision.revision for revision in plan]
        details["committed"] = True
        for revision in plan:
            if revision.transaction == "none":
                await _run_without_transaction(run, revision)
            else:
                async with run.workshop.transaction() as connection:
                    await run.migrate(connection, [revision])
                    await connection.commit()


async def _run_without_transaction(run: Run, revision: OwnedRevision) -> None:
    """The revision in autocommit, then the ownership of what it made. Interrupted in between, the next attempt takes its leftovers over."""
    engine = run.workshop.engine.execution_options(isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.exec_driver_sql(run.workshop.limits.settings_sql(local=False))
        ownership = Ownership(run.name, await books.table_owners(connection))
        before = await connection.run_sync(migrations.catalogue)
        await interrupted.note(connection, run.name, revision.revision, before)
        migrated = await connection.run_sync(migrations.run, run.workshop.book, [revision], present=before)
        run.halfway("migrate")
        after = await connection.run_sync(migrations.catalogue)
        ownership.refuse_foreign(before, after)
        await connection.run_sync(ownership.record, migrated.created, after)
        await connection.run_sync(apply_policies, ownership.tables(migrated.created, after))
        await interrupted.forget(connection, run.name)


async def _take_over_leftovers(connection: AsyncConnection, name: str) -> bool:
    """Give the module what an interrupted revision outside any transaction made, and commit that; False if there was none."""
    begun = await interrupted.noted(connection, name)
    if begun is None:
        return False
    ownership = Ownership(name, await books.table_owners(connection))
    after = await connection.run_sync(migrations.catalogue)
    made = after.keys() - begun.tables - ownership.owners.keys() - CORE_EXEMPT.keys()
    if made:
        logger.warning("%s: revision %s was interrupted after it made %s", name, begun.revision, ", ".join(sorted(made)))
    created = dict.fromkeys(made, begun.revision)
    await connection.run_sync(ownership.record, created, after)
    await connection.run_sync(apply_policies, ownership.tables(created, after))
    await interrupted.forget(connection, name)
    await connection.commit()
    return True


async def _refuse_undeclared(connection: AsyncConnection, target: Target) -> None:
    """A foreign key to a module that is not in `depends` would keep that module from ever being removed."""
    owners = await books.table_owners(connection)
    references = await undeclared_references(connection, target.name, owners, target.manifest.depends)
    if references:
        raise DependencyUndeclared(target.name, references)


async def _seed(connection: AsyncConnection, target: Target) -> Mapping[str, int]:
    if not target.manifest.data_files:
        return {}
    records = read_seeds(target.name, target.found.package_path, target.manifest.data_files)
    clinics: list[UUID] = list((await connection.execute(_CLINICS)).scalars())
    loader = seeds.SeedLoader(connection, target.name, frozenset(target.manifest.depends))
    return (await loader.load(records, clinics)).details()


async def call_hook(
    connection: AsyncConnection,
    run: Run,
    target: Target,
    record: ModuleRecord,
    operation: str,
    after_commit: list[Callable[[], object]],
) -> None:
    """Call the module's hook with a session that joins the transaction by savepoint, inside a unit of work of that session."""
    module = target.found.module
    hook = {"install": BaseModule.install, "upgrade": BaseModule.post_upgrade, "uninstall": BaseModule.uninstall}[operation]
    if getattr(type(module), hook.__name__) is hook:
        return
    async with AsyncSession(bind=connection, join_transaction_mode="create_savepoint", expire_on_commit=False) as session:
        own_logger = logging.getLogger(f"app.modules.{target.name}")
        context = ModuleContext(target.name, target.manifest.version, session, own_logger, run.workshop.storage)
        call: Awaitable[None]
        if operation == "upgrade":
            call = module.post_upgrade(context, record.version or "0.0.0")
        else:
            call = module.install(context) if operation == "install" else module.uninstall(context)
        async with joined_unit(session) as unit:
            try:
                await call
                run.halfway("lifecycle")
                await session.commit()
            except Exception as error:
                # The module's own code: whatever it raises stops this module and no other.
                raise HookFailed(target.name, hook.__name__, describe(error)) from error
        after_commit.append(unit.committed)


async def finalize_install(connection: AsyncConnection, workshop: Workshop, target: Target, record: ModuleRecord) -> None:
    """Write what is true once this transaction commits. The only place that writes `core_module.version` of an installed module."""
    own = workshop.book.of(target.name)
    await books.move(
        connection,
        record,
        Trigger.FINALIZE,
        version=target.manifest.version,
        category=target.manifest.category,
        removable=target.manifest.removable,
        auto_install=target.manifest.auto_install,
        base_revision=own[0].revision if own else None,
        applied_revision=", ".join(workshop.book.heads(target.name)) or None,
        manifest_snapshot=snapshot(target, own),
        installed_at=record.installed_at or sa.func.now(),
        **books.CLEARED,
    )


async def _refuse(connection: AsyncConnection, record: ModuleRecord, owners: Mapping[str, str]) -> None:
    """What may have become impossible since the removal was asked for."""
    if not record.removable and record.installed_at is not None:
        raise NotRemovable(record.name)
    references = await still_referenced(connection, record.name, owners)
    if references:
        raise StillReferenced(record.name, references)


async def _finalize_uninstall(connection: AsyncConnection, record: ModuleRecord) -> None:
    left = (
        (await connection.execute(sa.select(core_table_owner.c.table_name).where(core_table_owner.c.module_name == record.name)))
        .scalars()
        .all()
    )
    if left:
        raise MigrationRefused(f"{record.name} would leave the tables {', '.join(left)} behind; correct the downgrade() of its migrations.")
    await books.move(
        connection,
        record,
        Trigger.FINALIZE,
        version=None,
        by_generation=None,
        base_revision=None,
        applied_revision=None,
        manifest_snapshot={key: value for key, value in record.manifest_snapshot.items() if key != "revisions"},
        installed_at=None,
        disabled_at=None,
        **books.CLEARED,
    )

"""Coming and going: what comes with the module goes with it, nothing else does, and a backup brings it back (guide §9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.testing.operations import ModuleOperations
from app.testing.snapshots import rows_of, schema_of

from .subject import Subject

if TYPE_CHECKING:
    from app.core.plugins.revisions import OwnedRevision

Picture = dict[str, set[Any]]


async def picture(operations: ModuleOperations) -> Picture:
    """Everything in the database but the core's own notes, as sets that can be subtracted."""
    url = operations.tenant.owner_url
    schema = await schema_of(url)
    rows = await rows_of(url)
    kept = {"core_external_id", "core_table_owner"}
    return {
        **{kind: set(things) for kind, things in schema.items()},
        **{f"rows of {table}": set(found) for table, found in rows.items() if not table.startswith("core_") or table in kept},
    }


def differences(before: Picture, after: Picture) -> dict[str, Any]:
    """{kind: (gone, left over)} wherever the two differ."""
    names = sorted(before.keys() | after.keys())
    pairs = {name: (before.get(name, set()) - after.get(name, set()), after.get(name, set()) - before.get(name, set())) for name in names}
    return {name: pair for name, pair in pairs.items() if pair != (set(), set())}


async def remove(subject: Subject, operations: ModuleOperations) -> None:
    """Uninstall it, also where its manifest would refuse: `downgrade()` undoes `upgrade()` in every module."""
    await operations.fetch("UPDATE core_module SET removable = true, state = 'to_remove' WHERE name = $1", subject.name)
    await operations.restart()


async def test_removing_takes_what_came_with_the_module_and_nothing_else(subject: Subject, bare: ModuleOperations) -> None:
    before = await picture(bare)
    await bare.install(subject.name)

    await remove(subject, bare)

    assert differences(before, await picture(bare)) == {}


async def test_each_revision_can_be_taken_back_by_itself(subject: Subject, bare: ModuleOperations) -> None:
    """One step up, down and up again: a restore stops at any of them. `downgrade()` undoes its own `upgrade()`, not less and not more."""
    url = bare.tenant.owner_url
    for revision in subject.book.of(subject.name):
        before = await schema_of(url)
        await _step(bare, subject, revision, up=True)
        await _step(bare, subject, revision, up=False)
        after = await schema_of(url)
        changed = {kind: (before[kind] - after[kind], after[kind] - before[kind]) for kind in before if before[kind] != after[kind]}
        assert changed == {}, f"downgrade() of {revision.revision} does not undo its upgrade()"
        await _step(bare, subject, revision, up=True)


async def _step(operations: ModuleOperations, subject: Subject, revision: OwnedRevision, *, up: bool) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine

    from app.core.plugins import migrations
    from app.database import sqlalchemy_url

    engine = create_async_engine(sqlalchemy_url(operations.tenant.owner_url))
    if revision.transaction == "none":
        engine = engine.execution_options(isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            await connection.run_sync(lambda sync: migrations.run(sync, subject.book, [revision], upgrade=up))
            await connection.commit()
    finally:
        await engine.dispose()


async def test_installing_again_after_a_removal_brings_tables_and_seeds_back(subject: Subject, operations: ModuleOperations) -> None:
    schema = await schema_of(operations.tenant.owner_url)
    seeds = "SELECT xml_id, table_name, clinic_id FROM core_external_id WHERE module_name = $1 ORDER BY 1, 3"
    loaded = await operations.fetch(seeds, subject.name)

    await remove(subject, operations)
    await operations.install(subject.name)

    assert await schema_of(operations.tenant.owner_url) == schema
    assert await operations.fetch(seeds, subject.name) == loaded


async def test_restoring_the_backup_brings_equal_rows_back(subject: Subject, populated: object, operations: ModuleOperations) -> None:
    from app.core.errors import DomainError

    before = await subject.rows(operations)
    if not await subject.tables(operations):
        return
    await remove(subject, operations)
    dumps = [file for file in (operations.storage / "backups").rglob("*") if file.is_file()]
    assert all(file.stat().st_size for file in dumps), "a file of the backup is empty"
    assert dumps, "uninstalling left no backup"

    if any(revision.transaction == "none" for revision in subject.book.of(subject.name)):
        # A restore is one transaction; such a revision cannot take part in it, and the rows stay in the dump.
        with pytest.raises(DomainError):
            await operations.restore(subject.name)
        return
    await operations.restore(subject.name)

    assert await subject.rows(operations) == before


async def test_a_module_that_is_not_removable_refuses_to_go(subject: Subject, operations: ModuleOperations) -> None:
    from app.core.plugins.errors import NotRemovable

    if subject.manifest.removable:
        await operations.uninstall(subject.name)
        assert await subject.tables(operations) == []
        return
    with pytest.raises(NotRemovable):
        await operations.uninstall(subject.name)


async def test_a_restart_changes_nothing(subject: Subject, populated: object, operations: ModuleOperations) -> None:
    before = await picture(operations)

    await operations.restart()

    assert differences(before, await picture(operations)) == {}

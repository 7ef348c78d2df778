"""Backups that would not restore. Each is read to its end; that of a module that is not installed is brought back and let go again."""

from collections.abc import AsyncIterator

from app.core.plugins import restoring
from app.core.plugins.backup import BackupError, list_backups
from app.core.plugins.backup.manifest import damaged_backups, modules_with_backups
from app.core.plugins.backup.verifying import verify
from app.core.plugins.errors import PluginError
from app.core.plugins.operation_log import describe
from app.core.plugins.pending import Packages
from app.core.plugins.processor import Processor
from app.core.plugins.states import State

from .finding import Finding, error, warning


async def backups(processor: Processor) -> list[Finding]:
    """Look at every backup in the processor's storage, under its lock; nothing is kept."""
    found = []
    async with processor.locked():
        packages = await processor.packages()
        for module in modules_with_backups(processor.storage):
            found += [error("BACKUP_DAMAGED", module, problem.message) for problem in damaged_backups(processor.storage, module)]
            async for finding in _of(processor, packages, module):
                found.append(finding)
    return found


async def _of(processor: Processor, packages: Packages, module: str) -> AsyncIterator[Finding]:
    if module not in packages.discovery or module in packages.errors:
        yield warning("BACKUP_WITHOUT_PACKAGE", module, f"there are backups of {module}, and its package is not here to restore them")
        return
    workshop = await processor.workshop()
    revisions = frozenset(each.revision for each in workshop.book.of(module) if each.script is not None)
    for backup in list_backups(processor.storage, module):
        try:
            await verify(backup, revisions=revisions, bindir=workshop.bindir)
            if _can_be_tried(packages, module):
                await restoring.rehearse(workshop, packages, backup)
        except (BackupError, PluginError) as problem:
            yield error("BACKUP_NOT_RESTORABLE", module, f"{backup.id} would not restore: {problem.message}")
        except Exception as problem:
            # The module's own migrations may raise anything.
            yield error("BACKUP_NOT_RESTORABLE", module, f"{backup.id} would not restore: {describe(problem)}")


def _can_be_tried(packages: Packages, module: str) -> bool:
    """Bringing back what is installed would lock its tables against the people who use them."""
    record = packages.records.get(module)
    needs = packages.manifests[module].depends
    standing = all(need in packages.records and packages.records[need].state is State.INSTALLED for need in needs)
    return standing and record is not None and record.state is State.UNINSTALLED

"""What the processor finds at boot, before it does anything: packages against books. Brings the books' view of the packages up to date.

Cheap when nothing changed: a package whose fingerprint the books hold is neither imported nor are its migrations parsed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from . import books
from .errors import DependencyCycle, DependencyMissing, ManifestInvalid, NotInstallable, PluginError
from .loader import DiscoveredModule, Discovery
from .manifest import Manifest, core_refusal, version_key
from .models import ModuleRecord, core_module
from .states import HAS_SCHEMA, IN_FORCE, PENDING, State, Trigger
from .target import Target, snapshot
from .topology import closure, cycles, in_order

if TYPE_CHECKING:
    from .revisions import RevisionBook


@dataclass(slots=True)
class Packages:
    """The manifests of everything known, read from packages where they changed and from the books elsewhere."""

    discovery: Discovery
    records: Mapping[str, ModuleRecord]
    manifests: dict[str, Manifest] = field(default_factory=dict)
    errors: dict[str, PluginError] = field(default_factory=dict)
    """Modules that cannot be loaded, and why."""

    def __post_init__(self) -> None:
        self.errors.update(self.discovery.errors)
        for name, record in self.records.items():
            if record.manifest is not None:
                self.manifests[name] = record.manifest
        for found in self.discovery:
            if self.is_new(found):
                try:
                    self.manifests[found.name] = found.manifest
                except ManifestInvalid as error:
                    self.errors[found.name] = error

    def is_new(self, found: DiscoveredModule) -> bool:
        """Whether the books have not seen this very package."""
        record = self.records.get(found.name)
        return record is None or record.manifest_snapshot.get("package", {}).get("fingerprint") != found.fingerprint

    @property
    def depends(self) -> dict[str, tuple[str, ...]]:
        return {name: manifest.depends for name, manifest in self.manifests.items()}

    def is_older(self, name: str) -> bool:
        """Whether the database is ahead of the package."""
        record, manifest = self.records.get(name), self.manifests.get(name)
        if record is None or manifest is None or record.version is None:
            return False
        return version_key(manifest.version) < version_key(record.version)

    def obstacle(self, name: str, core_version: str) -> PluginError | None:
        """Why the module cannot be installed or upgraded here, whatever the state of others."""
        if name in self.errors:
            return self.errors[name]
        if name not in self.discovery:
            return NotInstallable(name, "its package is not installed here. Install it with pip, or ask for another release.")
        manifest = self.manifests[name]
        if not manifest.installable:
            return NotInstallable(name, "its manifest says `installable: False`. Choose another module.")
        if (refusal := core_refusal(manifest, core_version)) is not None:
            return NotInstallable(name, refusal)
        for circle in cycles(self.depends):
            if name in circle:
                return DependencyCycle(circle)
        for need in in_order({*manifest.depends, *closure(manifest.depends, self.depends)}, self.depends):
            if need not in self.manifests:
                return DependencyMissing(name, need)
        return None


async def bring_up_to_date(
    connection: AsyncConnection, packages: Packages, book: "RevisionBook", applied: frozenset[str], *, stand_alone_start: bool
) -> None:
    """Write what changed: new packages, upgrades that are due or due no more, and the modules of a fresh stand-alone database.

    Runs in the caller's transaction. `core_module.version` is not touched: only finalize writes it.
    """
    records = packages.records
    for found in packages.discovery:
        manifest, record = packages.manifests.get(found.name), records.get(found.name)
        if manifest is None or found.name in packages.errors:
            continue
        if record is None:
            await _insert(connection, Target(found, manifest), State.UNINSTALLED)
        elif record.state not in HAS_SCHEMA and packages.is_new(found):
            await _update_snapshot(connection, Target(found, manifest), record)
    if stand_alone_start:
        await _auto_install(connection, packages)
    for name, record in records.items():
        target = packages.discovery.get(name)
        if target is None or name in packages.errors or not packages.is_new(target) or packages.is_older(name):
            continue
        await _judge(connection, Target(target, packages.manifests[name]), record, book, applied)


async def _judge(connection: AsyncConnection, target: Target, record: ModuleRecord, book: "RevisionBook", applied: frozenset[str]) -> None:
    """An installed module whose package changed: upgrade if it is newer or brings revisions, else just remember the package."""
    behind = book.errors.get(record.name) is not None or any(
        revision.revision not in applied and revision.script is not None for revision in book.of(record.name)
    )
    due = behind or version_key(target.manifest.version) > version_key(record.version)
    if record.state in IN_FORCE and due:
        await books.move(connection, record, Trigger.UPGRADE, **books.CLEARED)
        await _schedule_needs(connection, target)
    elif record.state is State.TO_UPGRADE and not due:
        await books.move(connection, record, Trigger.WITHDRAW, **books.CLEARED)
        await _remember(connection, target, book)
    elif record.state in IN_FORCE and not due:
        await _remember(connection, target, book)


async def _schedule_needs(connection: AsyncConnection, target: Target) -> None:
    """A new version may need modules the old one did not."""
    rows = await books.read_records(connection)
    for need in target.manifest.depends:
        if need in rows and rows[need].state is State.UNINSTALLED:
            await books.move(
                connection, rows[need], Trigger.INSTALL, **books.CLEARED, chosen=False, by_generation=rows[target.name].by_generation
            )


async def _auto_install(connection: AsyncConnection, packages: Packages) -> None:
    chosen = [name for name, manifest in packages.manifests.items() if manifest.auto_install and name in packages.discovery]
    rows = await books.read_records(connection)
    for name in sorted({*chosen, *closure(chosen, packages.depends)} & rows.keys()):
        if rows[name].state is State.UNINSTALLED:
            await books.move(connection, rows[name], Trigger.INSTALL, chosen=name in chosen)


async def _insert(connection: AsyncConnection, target: Target, state: State) -> None:
    await connection.execute(sa.insert(core_module).values(name=target.name, state=state, **_described(target)))


async def _update_snapshot(connection: AsyncConnection, target: Target, record: ModuleRecord) -> None:
    """Another package is another try: what the old one failed at says nothing about it."""
    values = {**_described(target), "attempts": 0, "next_attempt_at": None}
    await connection.execute(sa.update(core_module).where(core_module.c.name == record.name).values(**values))


async def _remember(connection: AsyncConnection, target: Target, book: "RevisionBook") -> None:
    values = {**_described(target), "manifest_snapshot": snapshot(target, book.of(target.name))}
    await connection.execute(sa.update(core_module).where(core_module.c.name == target.name).values(**values))


def _described(target: Target) -> dict[str, object]:
    manifest = target.manifest
    return {
        "category": manifest.category,
        "removable": manifest.removable,
        "auto_install": manifest.auto_install,
        "manifest_snapshot": snapshot(target, ()),
    }


def nothing_to_do(packages: Packages) -> bool:
    """Whether the books already say everything: no pending state, no package they have not seen."""
    return not any(record.state in PENDING for record in packages.records.values()) and not any(
        packages.is_new(found) for found in packages.discovery
    )

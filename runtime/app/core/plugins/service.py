"""What people ask of a stand-alone runtime: schedule an install, an upgrade or a removal. The processor does it at the next start.

Knows no HTTP and commits nothing. On a managed runtime the platform decides, and every request here is refused with its address.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from . import books
from .errors import (
    ManagedElsewhere,
    NeededByModules,
    NothingToUpgrade,
    NotInstalled,
    NotKnownYet,
    NotRemovable,
    StillReferenced,
    UnknownModule,
)
from .loader import Discovery
from .manifest import version_key
from .models import ModuleRecord, core_module
from .pending import Packages
from .references import still_referenced
from .states import HAS_SCHEMA, PENDING, STAYS, State, Trigger
from .topology import closure, dependents, in_order

Executor = AsyncConnection | AsyncSession
_PLATFORM = sa.text("SELECT document #>> '{platform,url}' FROM core_revision ORDER BY generation DESC LIMIT 1")


@dataclass(frozen=True, slots=True)
class Scheduled:
    """What was scheduled, in the order it will happen. It happens at the next start."""

    operation: str
    modules: tuple[str, ...]
    requires_restart: bool = True


@dataclass(frozen=True, slots=True)
class ModuleView:
    """One module as people see it: the books, and the package beside them."""

    name: str
    title: str
    state: State
    version: str | None
    package_version: str | None
    category: str
    summary: str
    depends: tuple[str, ...]
    dependents: tuple[str, ...]
    removable: bool
    installable: bool
    present: bool
    """Whether its package is installed here."""
    error: str | None
    attempts: int

    @property
    def pending(self) -> bool:
        return self.state in PENDING


async def refuse_if_managed(executor: Executor, *, managed: bool) -> None:
    """Raise ManagedElsewhere, with the platform's address, if a platform decides what runs here."""
    platform = (await executor.execute(_PLATFORM)).scalar_one_or_none()
    if managed or platform is not None:
        raise ManagedElsewhere(platform)


async def overview(executor: Executor, discovery: Discovery) -> list[ModuleView]:
    """Every module known here, by name."""
    packages = Packages(discovery, await books.read_records(executor))
    needs = {name: record.depends for name, record in packages.records.items() if record.state in STAYS | HAS_SCHEMA}
    return [_view(packages, name, needs) for name in sorted(packages.manifests.keys() | packages.records.keys() | packages.errors.keys())]


def _view(packages: Packages, name: str, needs: Mapping[str, Sequence[str]]) -> ModuleView:
    record, manifest = packages.records.get(name), packages.manifests.get(name)
    present = name in packages.discovery
    problem = packages.errors.get(name)
    return ModuleView(
        name=name,
        title=(manifest and manifest.title) or name.replace("_", " ").capitalize(),
        state=record.state if record else State.UNINSTALLED,
        version=record.version if record else None,
        package_version=manifest.version if present and manifest else None,
        category=manifest.category if manifest else "community",
        summary=manifest.summary if manifest else "",
        depends=manifest.depends if manifest else (),
        dependents=tuple(sorted(dependents([name], needs))),
        removable=manifest.removable if manifest else bool(record and record.removable),
        installable=bool(manifest and manifest.installable and present),
        present=present,
        error=(record.error_message if record else None) or (str(problem) if problem else None),
        attempts=record.attempts if record else 0,
    )


async def find(executor: Executor, discovery: Discovery, name: str) -> ModuleView:
    """Raises UnknownModule."""
    views = {view.name: view for view in await overview(executor, discovery)}
    if name not in views:
        raise UnknownModule(name, views)
    return views[name]


async def install(executor: Executor, discovery: Discovery, name: str, *, core_version: str) -> Scheduled:
    """Schedule the module and all it needs, dependencies first. Asking again counts its attempts anew.

    Raises UnknownModule, NotInstallable, DependencyMissing, DependencyCycle, ManifestInvalid, NotKnownYet.
    """
    packages = await _packages(executor, discovery, name)
    chain = in_order({name, *closure([name], packages.depends)}, packages.depends)
    obstacle = packages.obstacle(name, core_version)
    if obstacle is not None:
        raise obstacle
    for need in chain:
        record = packages.records.get(need)
        if record is None or record.state not in HAS_SCHEMA:
            obstacle = packages.obstacle(need, core_version)
            if obstacle is not None:
                raise obstacle
            if record is None:
                raise NotKnownYet(need)
    scheduled = [need for need in chain if await _schedule_install(executor, packages.records[need])]
    return Scheduled("install", tuple(scheduled), requires_restart=bool(scheduled))


async def _schedule_install(executor: Executor, record: ModuleRecord) -> bool:
    cleared: dict[str, Any] = {"attempts": 0, "error_message": None, "error_at": None}
    match record.state:
        case State.UNINSTALLED:
            await books.move(executor, record, Trigger.INSTALL, **cleared)
        case State.TO_REMOVE:
            await books.move(executor, record, Trigger.WITHDRAW, **cleared)
        case State.TO_INSTALL | State.TO_UPGRADE:
            await executor.execute(sa.update(core_module).where(core_module.c.name == record.name).values(**cleared))
        case _:
            return False
    return True


async def upgrade(executor: Executor, discovery: Discovery, name: str) -> Scheduled:
    """Schedule an upgrade to the package's version. Raises UnknownModule, NotInstalled, NothingToUpgrade, ManifestInvalid."""
    packages = await _packages(executor, discovery, name)
    record = packages.records.get(name)
    if record is None or record.state not in {State.INSTALLED, State.TO_UPGRADE}:
        raise NotInstalled(name, record.state if record else State.UNINSTALLED)
    if name in packages.errors:
        raise packages.errors[name]
    found = discovery.get(name)
    if found is None or not (packages.is_new(found) and version_key(packages.manifests[name].version) >= version_key(record.version)):
        raise NothingToUpgrade(name, record.version)
    cleared: dict[str, Any] = {"attempts": 0, "error_message": None, "error_at": None}
    if record.state is State.INSTALLED:
        await books.move(executor, record, Trigger.UPGRADE, **cleared)
    else:
        await executor.execute(sa.update(core_module).where(core_module.c.name == name).values(**cleared))
    return Scheduled("upgrade", (name,))


async def uninstall(executor: Executor, discovery: Discovery, name: str) -> Scheduled:
    """Schedule the removal. Everything that would stop it is checked now, and again before it begins.

    Raises UnknownModule, NotInstalled, NotRemovable, NeededByModules, StillReferenced.
    """
    packages = await _packages(executor, discovery, name)
    record = packages.records.get(name)
    if record is None or record.state is State.UNINSTALLED:
        raise NotInstalled(name, State.UNINSTALLED)
    if record.state is State.TO_REMOVE:
        return Scheduled("uninstall", (name,))
    cleared: dict[str, Any] = {"attempts": 0, "error_message": None, "error_at": None}
    standing = {other: row.depends for other, row in packages.records.items() if row.state in STAYS and other != name}
    needed_by = sorted(dependents([name], standing))
    if needed_by:
        raise NeededByModules(name, needed_by)
    if record.state is State.TO_INSTALL and record.attempts == 0:
        await books.move(executor, record, Trigger.WITHDRAW, **cleared)
        return Scheduled("uninstall", (name,), requires_restart=False)
    if not record.removable and record.installed_at is not None:
        raise NotRemovable(name)
    references = await still_referenced(executor, name, await books.table_owners(executor))
    if references:
        raise StillReferenced(name, references)
    await books.move(executor, record, Trigger.UNINSTALL, **cleared)
    return Scheduled("uninstall", (name,))


async def clinics(executor: Executor) -> list[UUID]:
    """Every clinic of this runtime."""
    return list((await executor.execute(sa.text("SELECT id FROM clinics ORDER BY created_at, id"))).scalars())


async def retry(executor: Executor) -> tuple[str, ...]:
    """Count the attempts of every pending module anew; the modules concerned."""
    column = core_module.c
    rows = await executor.execute(
        sa.update(core_module).where(column.state.in_(PENDING), column.attempts > 0).values(attempts=0).returning(column.name)
    )
    return tuple(sorted(rows.scalars()))


async def _packages(executor: Executor, discovery: Discovery, name: str) -> Packages:
    packages = Packages(discovery, await books.read_records(executor))
    if name in packages.errors and name not in packages.records:
        raise packages.errors[name]
    if name not in packages.manifests and name not in packages.records:
        raise UnknownModule(name, packages.manifests)
    return packages

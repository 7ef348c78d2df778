"""What people ask of a runtime: a plan, a change of modules, another try. The processor does what was scheduled at the next start.

Knows no HTTP and commits nothing. On a managed runtime the platform decides what is installed, and requests to change that are refused
with its address; switching on and off stays with the clinic.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from dentalpin_kit.locks import SCHEDULING

from . import books
from .errors import NothingToRetry, PluginError, UnknownModule
from .loader import Discovery
from .models import ModuleRecord, core_module, core_module_request
from .pending import Packages
from .plan import Brings, Change, Plan, Step, make_plan
from .registry import MountedModule
from .states import HAS_SCHEMA, PENDING, STAYS, State, Trigger
from .survey import survey
from .topology import dependents

Executor = AsyncConnection | AsyncSession
logger = logging.getLogger(__name__)

REASON_LENGTH: Final = 500
_LOCK: Final = sa.text("SELECT pg_advisory_xact_lock(:classid, :objid)")
_NOTIFY: Final = sa.text("SELECT pg_notify(:channel, '')")


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, where, and why: kept with the request."""

    via: str
    """`api` or `cli`."""
    user_id: UUID | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """What was done or scheduled."""

    plan: Plan

    @property
    def operation(self) -> str:
        return self.plan.change

    @property
    def modules(self) -> tuple[str, ...]:
        """In the order in which it happens."""
        return tuple(step.module for step in self.plan.steps)

    @property
    def requires_restart(self) -> bool:
        return self.plan.requires_restart


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a plan depends on besides the database."""

    discovery: Discovery
    core_version: str
    describe: Callable[[str], Brings]
    managed: bool = False
    bypasses_isolation: bool = False
    """The executor is the owner's, who sees the rows of all clinics at once."""


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
    chosen: bool
    """Somebody asked for it; otherwise it came because another module needs it."""
    next_attempt_at: datetime | None
    """Not tried again before this, after an attempt that failed."""

    @property
    def pending(self) -> bool:
        return self.state in PENDING


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
        chosen=bool(record and record.chosen and record.state is not State.UNINSTALLED),
        next_attempt_at=record.next_attempt_at if record else None,
    )


async def find(executor: Executor, discovery: Discovery, name: str) -> ModuleView:
    """Raises UnknownModule."""
    views = {view.name: view for view in await overview(executor, discovery)}
    if name not in views:
        raise UnknownModule(name, views)
    return views[name]


def brings_of(module: MountedModule) -> Brings:
    """What a module adds to a process; nothing if its own code cannot say."""
    try:
        return Brings(
            permissions=tuple(sorted(module.permissions)),
            jobs=tuple(job.id for job in module.jobs),
            tools=tuple(tool.name for tool in module.tools),
        )
    except Exception:
        # A stranger's code may raise anything; a question about the module must not fail because of it.
        logger.warning("%s does not say what it brings", module.name, exc_info=True)
        return Brings()


def from_packages(discovery: Discovery) -> Callable[[str], Brings]:
    """Look into packages for what a module brings; one that cannot be imported says nothing."""

    def describe(name: str) -> Brings:
        found = discovery.get(name)
        try:
            return brings_of(MountedModule(found.module, found.manifest)) if found is not None else Brings()
        except PluginError:
            return Brings()

    return describe


async def preview(executor: Executor, around: Surroundings, change: Change, name: str, *, with_unneeded: bool = False) -> Plan:
    """What the change would do, and what stands against it; nothing is written. Raises UnknownModule."""
    facts = await survey(
        executor,
        around.discovery,
        change,
        name,
        core_version=around.core_version,
        describe=around.describe,
        managed=around.managed,
        with_unneeded=with_unneeded,
        bypasses_isolation=around.bypasses_isolation,
    )
    return make_plan(facts, change, name, with_unneeded=with_unneeded)


async def ask(
    executor: Executor, around: Surroundings, change: Change, name: str, *, asker: Asker, with_unneeded: bool = False
) -> Scheduled:
    """Do or schedule the change as planned. Asking again counts the attempts of what is pending anew.

    Raises UnknownModule and the first thing that stands against it; then nothing is written.
    """
    # Two people at once would each plan without what the other is about to write.
    await executor.execute(_LOCK, SCHEDULING._asdict())
    plan = await preview(executor, around, change, name, with_unneeded=with_unneeded)
    if plan.refusals:
        raise plan.refusals[0]
    records = await books.read_records(executor)
    for step in plan.steps:
        await _write(executor, records[step.module], step, chosen=step.module == name)
    if change is Change.INSTALL:
        await executor.execute(sa.update(core_module).where(core_module.c.name == name).values(chosen=True))
    if any(step.change in {Change.ENABLE, Change.DISABLE} for step in plan.steps):
        await executor.execute(_NOTIFY, {"channel": books.MODULES_CHANNEL})
    scheduled = Scheduled(plan)
    if plan.steps:
        await note_request(executor, change, scheduled.modules, asker)
    return scheduled


async def _write(executor: Executor, record: ModuleRecord, step: Step, *, chosen: bool) -> None:
    if step.trigger is None:
        await executor.execute(sa.update(core_module).where(core_module.c.name == record.name).values(**books.CLEARED))
        return
    values: dict[str, Any] = dict(books.CLEARED)
    match step.trigger:
        case Trigger.TOGGLE:
            values = {"disabled_at": sa.func.now() if step.change is Change.DISABLE else None}
        case Trigger.INSTALL:
            values["chosen"] = chosen
    await books.move(executor, record, step.trigger, **values)


async def switched_off(executor: Executor) -> frozenset[str]:
    """The modules that are switched off, as of this transaction."""
    return frozenset(name for name, record in (await books.read_records(executor)).items() if record.switched_off)


async def retry(executor: Executor, asker: Asker, name: str | None = None) -> tuple[str, ...]:
    """Have what failed tried again at the next start, however often it failed; the modules concerned.

    Raises UnknownModule, NothingToRetry for a module of which nothing is pending.
    """
    column = core_module.c
    concerned = [column.state.in_(PENDING), column.attempts > 0]
    if name is not None:
        record = (await books.read_records(executor)).get(name)
        if record is None:
            raise UnknownModule(name, await books.read_records(executor))
        if record.state not in PENDING or record.attempts == 0:
            raise NothingToRetry(name)
        concerned.append(column.name == name)
    rows = await executor.execute(sa.update(core_module).where(*concerned).values(attempts=0, next_attempt_at=None).returning(column.name))
    names = tuple(sorted(rows.scalars()))
    if names:
        await note_request(executor, "retry", names, asker)
    return names


async def note_request(executor: Executor, operation: str, modules: Sequence[str], asker: Asker) -> None:
    """Keep who asked for what. The processor's own trail says what came of it."""
    values = {"operation": operation, "modules": list(modules), "user_id": asker.user_id, "via": asker.via}
    await executor.execute(sa.insert(core_module_request).values(**values, reason=asker.reason[:REASON_LENGTH]))


async def requests(executor: Executor, *, limit: int = 50) -> list[Mapping[str, Any]]:
    """The newest requests, newest first."""
    query = sa.select(core_module_request).order_by(core_module_request.c.id.desc()).limit(limit)
    return [dict(row._mapping) for row in await executor.execute(query)]

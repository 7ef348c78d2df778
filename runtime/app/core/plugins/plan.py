"""What a change of modules would do, before anything does it. Pure: facts in, plan out.

The API, the CLI and the scheduling itself use this one function, so that what was shown is what happens. `survey` gathers the facts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from . import law
from .errors import (
    IllegalTransition,
    ManagedElsewhere,
    NeededByModules,
    NothingToUpgrade,
    NotInstalled,
    NotKnownYet,
    NotRemovable,
    PluginError,
    RequiredByLaw,
    StillReferenced,
    UnknownModule,
)
from .manifest import version_key
from .models import ModuleRecord
from .pending import Packages
from .states import HAS_SCHEMA, STAYS, State, Trigger
from .topology import closure, dependents, in_order


class Change(StrEnum):
    """What people ask for, and what is done to one module."""

    INSTALL = "install"
    UPGRADE = "upgrade"
    UNINSTALL = "uninstall"
    ENABLE = "enable"
    DISABLE = "disable"


STEPS: Final[Mapping[Change, tuple[str, ...]]] = {
    Change.INSTALL: ("migrate", "seed", "lifecycle", "finalize"),
    Change.UPGRADE: ("migrate", "seed", "lifecycle", "finalize"),
    Change.UNINSTALL: ("backup", "lifecycle", "delete_data", "migrate_down", "finalize"),
    Change.ENABLE: (),
    Change.DISABLE: (),
}
"""What the processor does at the next start (seeds, guide §5); switching on and off is done at once."""
_ASKED: Final = "asked for"
_AT_ONCE: Final = {Change.ENABLE: "switched on", Change.DISABLE: "switched off"}


@dataclass(frozen=True, slots=True)
class Brings:
    """What a module adds to a running process, and takes along when it goes."""

    permissions: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What a plan is made of. The mappings are by module and hold those the plan may touch."""

    packages: Packages
    core_version: str
    managed: bool = False
    platform: str | None = None
    obligations: tuple[str, ...] = ()
    revisions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Schema revisions an install or upgrade applies, or a removal takes back, in the order it does so."""
    unreadable: Mapping[str, PluginError] = field(default_factory=dict)
    """Modules whose migrations cannot be used."""
    tables: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Rows of each table that a removal drops, over all clinics."""
    references: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What still points at rows of a module, in words."""
    deliveries: Mapping[str, int] = field(default_factory=dict)
    """Events that wait for a module."""
    brings: Mapping[str, Brings] = field(default_factory=dict)

    @property
    def records(self) -> Mapping[str, ModuleRecord]:
        return self.packages.records


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one module."""

    module: str
    change: Change
    reason: str
    trigger: Trigger | None
    """The transition that is written now; None if the module is on its way already, and only its attempts start anew."""
    at_restart: bool
    from_version: str | None = None
    to_version: str | None = None
    steps: tuple[str, ...] = ()
    revisions: tuple[str, ...] = ()
    tables: Mapping[str, int] = field(default_factory=dict)
    """Rows that go, by table; they are backed up first."""
    deliveries: int = 0
    """Events that wait for it: kept while it is switched off, closed when it is removed."""
    brings: Brings = Brings()

    @property
    def words(self) -> str:
        """`install stock`, `stock is switched off`: a part of a sentence."""
        if self.trigger is Trigger.WITHDRAW:
            return f"the {self.change} of {self.module} is taken back" if not self.at_restart else f"keep {self.module}"
        return f"{self.module} is {_AT_ONCE[self.change]}" if self.change in _AT_ONCE else f"{self.change} {self.module}"


@dataclass(frozen=True, slots=True)
class Plan:
    change: Change
    module: str
    steps: tuple[Step, ...]
    """In the order in which they happen."""
    refusals: tuple[PluginError, ...] = ()
    """Why it is not done; empty if it can be."""
    unneeded: tuple[str, ...] = ()
    """Modules that came as dependencies and that nobody would need any more; they stay unless they are named as leaving too."""

    @property
    def requires_restart(self) -> bool:
        return not self.refusals and any(step.at_restart for step in self.steps)

    @property
    def message(self) -> str:
        """One or two sentences for people."""
        if self.refusals:
            return self.refusals[0].message
        if not self.steps:
            return f"Nothing to do: {self.module} is as you ask."
        at_once = [step for step in self.steps if not step.at_restart]
        later = [step for step in self.steps if step.at_restart]
        parts = []
        if at_once:
            parts.append(f"At once: {', '.join(step.words for step in at_once)}.")
        if later:
            parts.append(f"The next restart will {', then '.join(step.words for step in later)}.")
        if self.unneeded:
            parts.append(f"Nobody would need {', '.join(self.unneeded)} any more; they stay unless you ask for their removal too.")
        return " ".join(parts)


def affected(packages: Packages, change: Change, name: str, *, with_unneeded: bool = False) -> tuple[str, ...]:
    """Every module the plan may look at. Raises UnknownModule."""
    _known(packages, name)
    if change in {Change.UNINSTALL, Change.DISABLE}:
        return (name, *(_unneeded(packages, name) if with_unneeded else ()))
    return tuple(_chain(packages, name))


def make_plan(facts: Facts, change: Change, name: str, *, with_unneeded: bool = False) -> Plan:
    """The plan for one request, with everything that stands against it. Raises UnknownModule."""
    _known(facts.packages, name)
    made = {
        Change.INSTALL: _install,
        Change.UPGRADE: _upgrade,
        Change.ENABLE: _enable,
        Change.DISABLE: _disable,
    }
    steps, refusals, unneeded = _uninstall(facts, name, with_unneeded) if change is Change.UNINSTALL else (*made[change](facts, name), ())
    if facts.managed and change in {Change.INSTALL, Change.UPGRADE, Change.UNINSTALL}:
        refusals = [ManagedElsewhere(facts.platform), *refusals]
    return Plan(change, name, tuple(steps), tuple(refusals), tuple(unneeded))


_Made = tuple[list[Step], list[PluginError]]


def _known(packages: Packages, name: str) -> None:
    if name not in packages.manifests and name not in packages.records and name not in packages.errors:
        raise UnknownModule(name, packages.manifests)


def _chain(packages: Packages, name: str) -> Sequence[str]:
    return in_order({name, *closure([name], packages.depends)}, packages.depends)


def _install(facts: Facts, name: str) -> _Made:
    packages = facts.packages
    steps: list[Step] = []
    refusals: list[PluginError] = []
    for need in [name, *(other for other in _chain(packages, name) if other != name)]:
        record = facts.records.get(need)
        if need == name or record is None or record.state not in HAS_SCHEMA:
            obstacle = packages.obstacle(need, facts.core_version) or facts.unreadable.get(need)
            if obstacle is not None:
                refusals.append(obstacle)
            elif record is None:
                refusals.append(NotKnownYet(need))
    for need in _chain(packages, name):
        record = facts.records.get(need)
        step = None if record is None else _bring(facts, record, _ASKED if need == name else f"{name} needs it")
        if step is not None:
            steps.append(step)
    return steps, refusals


def _bring(facts: Facts, record: ModuleRecord, reason: str) -> Step | None:
    """What has to happen so that the module is installed and on; None if it is."""
    match record.state:
        case State.UNINSTALLED:
            return _step(facts, record, Change.INSTALL, reason, Trigger.INSTALL)
        case State.TO_INSTALL:
            return _step(facts, record, Change.INSTALL, reason, None)
        case State.TO_UPGRADE:
            return _step(facts, record, Change.UPGRADE, reason, None)
        case State.TO_REMOVE:
            return Step(record.name, Change.UNINSTALL, reason, Trigger.WITHDRAW, at_restart=True, from_version=record.version)
        case State.DISABLED:
            return _step(facts, record, Change.ENABLE, reason, Trigger.TOGGLE)
    return None


def _upgrade(facts: Facts, name: str) -> _Made:
    packages = facts.packages
    record = facts.records.get(name)
    if record is None or record.state not in {State.INSTALLED, State.DISABLED, State.TO_UPGRADE}:
        return [], [NotInstalled(name, record.state if record else State.UNINSTALLED)]
    if name in packages.errors:
        return [], [packages.errors[name]]
    found = packages.discovery.get(name)
    if found is None or not (packages.is_new(found) and version_key(packages.manifests[name].version) >= version_key(record.version)):
        return [], [NothingToUpgrade(name, record.version)]
    refusals: list[PluginError] = []
    obstacle = packages.obstacle(name, facts.core_version) or facts.unreadable.get(name)
    if obstacle is not None:
        refusals.append(obstacle)
    steps: list[Step] = []
    for need in _chain(packages, name):
        other = facts.records.get(need)
        if need == name:
            steps.append(_step(facts, record, Change.UPGRADE, _ASKED, None if record.state is State.TO_UPGRADE else Trigger.UPGRADE))
        elif other is None:
            refusals.append(NotKnownYet(need))
        elif other.state not in HAS_SCHEMA | {State.TO_INSTALL}:
            # A new version may need modules the old one did not.
            steps.append(_step(facts, other, Change.INSTALL, f"{name} needs it", Trigger.INSTALL))
    return steps, refusals


def _uninstall(facts: Facts, name: str, with_unneeded: bool) -> tuple[list[Step], list[PluginError], Sequence[str]]:
    record = facts.records.get(name)
    if record is None or record.state is State.UNINSTALLED:
        return [], [NotInstalled(name, State.UNINSTALLED)], ()
    unneeded = _unneeded(facts.packages, name)
    leaving = [name, *(unneeded if with_unneeded else ())]
    refusals: list[PluginError] = []
    for going in leaving:
        refusals += _keeps(facts, facts.records[going], leaving)
    steps = [_removal(facts, facts.records[going], _ASKED if going == name else "nobody needs it any more") for going in leaving]
    return steps, refusals, () if with_unneeded else unneeded


def _removal(facts: Facts, record: ModuleRecord, reason: str) -> Step:
    if record.state is State.TO_INSTALL and record.attempts == 0:
        # Nothing of it has happened.
        return Step(record.name, Change.INSTALL, reason, Trigger.WITHDRAW, at_restart=False)
    return _step(facts, record, Change.UNINSTALL, reason, None if record.state is State.TO_REMOVE else Trigger.UNINSTALL)


def _keeps(facts: Facts, record: ModuleRecord, leaving: Sequence[str]) -> list[PluginError]:
    """What keeps a module from going."""
    name, records = record.name, facts.records
    if record.state is State.TO_REMOVE:
        return []
    found: list[PluginError] = []
    standing = {other: row.depends for other, row in records.items() if row.state in STAYS and other not in leaving}
    needed_by = sorted(dependents([name], {name: record.depends, **standing}))
    if needed_by:
        found.append(NeededByModules(name, needed_by))
    if not record.removable and record.installed_at is not None:
        found.append(NotRemovable(name))
    lost = law.unmet_without(name, records, [other for other in standing if not records[other].switched_off], facts.obligations)
    if lost:
        found.append(RequiredByLaw(name, lost))
    if facts.references.get(name):
        found.append(StillReferenced(name, facts.references[name]))
    return found


def _unneeded(packages: Packages, name: str) -> tuple[str, ...]:
    """The dependencies that came with `name` or what it needs, are removable, and that nothing else needs; dependents first."""
    records = packages.records
    depends = {other: record.depends for other, record in records.items()}
    leaving = {name}
    found: list[str] = []
    for need in reversed(in_order(closure([name], depends) & records.keys(), depends)):
        record = records[need]
        removable = record.removable or record.installed_at is None
        standing = {other: row.depends for other, row in records.items() if row.state in STAYS and other not in leaving}
        if record.state in STAYS and removable and not record.chosen and not dependents([need], standing) - {need}:
            leaving.add(need)
            found.append(need)
    return tuple(found)


def _enable(facts: Facts, name: str) -> _Made:
    record = facts.records.get(name)
    if record is None or record.state not in {State.INSTALLED, State.DISABLED}:
        return [], [NotInstalled(name, record.state if record else State.UNINSTALLED)]
    steps = []
    for need in _chain(facts.packages, name):
        other = facts.records.get(need)
        if other is not None and other.state is State.DISABLED:
            steps.append(_step(facts, other, Change.ENABLE, _ASKED if need == name else f"{name} needs it", Trigger.TOGGLE))
    return steps, []


def _disable(facts: Facts, name: str) -> _Made:
    record, records = facts.records.get(name), facts.records
    if record is None or record.state is State.UNINSTALLED:
        return [], [NotInstalled(name, State.UNINSTALLED)]
    if record.state is State.DISABLED:
        return [], []
    if record.state is not State.INSTALLED:
        return [], [IllegalTransition(name, record.state, Change.DISABLE)]
    on = {other: row.depends for other, row in records.items() if row.state in HAS_SCHEMA | {State.TO_INSTALL} and not row.switched_off}
    refusals: list[PluginError] = []
    needed_by = sorted(dependents([name], on))
    if needed_by:
        refusals.append(NeededByModules(name, needed_by, "Switch those off first."))
    # One that is to be removed meets the law until the next restart only.
    meeting = [other for other in on if records[other].state in STAYS]
    lost = law.unmet_without(name, records, meeting, facts.obligations)
    if lost:
        refusals.append(RequiredByLaw(name, lost))
    return [_step(facts, record, Change.DISABLE, _ASKED, Trigger.TOGGLE)], refusals


def _step(facts: Facts, record: ModuleRecord, change: Change, reason: str, trigger: Trigger | None) -> Step:
    name = record.name
    arriving = change in {Change.INSTALL, Change.UPGRADE}
    manifest = facts.packages.manifests.get(name)
    going = change is Change.UNINSTALL
    return Step(
        module=name,
        change=change,
        reason=reason,
        trigger=trigger,
        at_restart=bool(STEPS[change]),
        from_version=record.version,
        to_version=(manifest.version if manifest else None) if arriving else None if going else record.version,
        steps=STEPS[change],
        revisions=tuple(facts.revisions.get(name, ())) if arriving or going else (),
        tables=dict(facts.tables.get(name, {})) if going else {},
        deliveries=0 if arriving else facts.deliveries.get(name, 0),
        brings=facts.brings.get(name, Brings()),
    )

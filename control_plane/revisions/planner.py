"""What a tenant should run: chosen modules closed under dependencies and law, each with its reason. Pure.

facts → (compliance.resolve) → requirements → (compliance.match, against the catalogue) → here → the revision document.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from control_plane.compliance.locks import Lock
from control_plane.compliance.matching import Match, match
from control_plane.compliance.requirements import Finding, Requirements
from control_plane.releases.catalogue import Catalogue
from control_plane.revisions.errors import (
    DependencyConflict,
    DependencyCycle,
    LockedAndForbidden,
    ModuleForbidden,
    ModuleLocked,
    ModuleNotInstallable,
    ModuleNotRemovable,
    UnknownModule,
    listed,
)


class ReasonKind(StrEnum):
    CHOSEN = "chosen"
    NEEDED_BY = "needed_by"
    REQUIRED_BY_LAW = "required_by_law"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a module is in the set: the weightiest kind, everything that asks for it, and a sentence with all of it."""

    kind: ReasonKind
    by: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class PlannedModule:
    name: str
    version: str
    reason: Reason


@dataclass(frozen=True)
class ModuleSet:
    """Modules in order of installation, dependencies first, and what the law still lacks."""

    modules: tuple[PlannedModule, ...]
    match: Match

    @property
    def versions(self) -> dict[str, str]:
        return {module.name: module.version for module in self.modules}

    @property
    def unmet(self) -> tuple[Finding, ...]:
        return self.match.unmet


@dataclass(frozen=True)
class Standing:
    """What a tenant already has: the choice before this one, modules that are or may be installed, and those the law keeps."""

    chosen: frozenset[str] = frozenset()
    installed: frozenset[str] = frozenset()
    locks: Mapping[str, Lock] = field(default_factory=dict)


NOTHING = Standing()


def plan_modules(chosen: Iterable[str], catalogue: Catalogue, requirements: Requirements, standing: Standing = NOTHING) -> ModuleSet:
    """Close `chosen` under dependencies and law. The same input gives the same set in the same order.

    A module that is installed and cannot be removed, or that the law keeps, stays when nobody chose it, and is refused to go when it was
    chosen. Raises UnknownModule, ModuleNotInstallable, ModuleForbidden, DependencyConflict, DependencyCycle, ModuleNotRemovable,
    ModuleLocked, LockedAndForbidden.
    """
    wanted = frozenset(chosen)
    _refuse_unknown(wanted, catalogue)
    usable = catalogue.usable()
    law = match(requirements, {name: module.model_dump() for name, module in usable.items()}, wanted)
    country = requirements.territory or requirements.country
    forbidden = match(requirements, {name: module.model_dump() for name, module in catalogue.modules.items()}, wanted).forbidden
    for name in sorted(wanted):
        if name in forbidden:
            raise ModuleForbidden(name, forbidden[name], country)
    law = _without_impossible(law, catalogue, forbidden)
    order = _close(sorted(wanted | law.required.keys()), catalogue, forbidden)
    for name in sorted(standing.locks.keys() & forbidden.keys() - frozenset(order)):
        raise LockedAndForbidden(name, forbidden[name], standing.locks[name])
    kept = _kept(frozenset(order), catalogue, standing)
    order = _close(sorted(wanted | law.required.keys() | kept.keys()), catalogue, forbidden)
    return ModuleSet(tuple(_planned(order, wanted, law, kept, catalogue)), law)


def _refuse_unknown(wanted: frozenset[str], catalogue: Catalogue) -> None:
    for name in sorted(wanted & catalogue.unusable.keys()):
        raise ModuleNotInstallable(name, catalogue.why_absent(name))
    if unknown := sorted(wanted - catalogue.modules.keys()):
        raise UnknownModule(unknown, sorted(catalogue.modules))
    for name in sorted(wanted):
        if why := catalogue.why_not_installable(catalogue.modules[name]):
            raise ModuleNotInstallable(name, why)


def _without_impossible(law: Match, catalogue: Catalogue, forbidden: Mapping[str, Finding]) -> Match:
    """A required module that stands on a forbidden one fulfils nothing here: its obligations are unmet, never skipped."""
    lost = {name for name in law.required if _reaches(name, catalogue, forbidden)}
    if not lost:
        return law
    return Match(
        required={name: findings for name, findings in law.required.items() if name not in lost},
        forbidden=law.forbidden,
        unmet=(*law.unmet, *(finding for name in sorted(lost) for finding in law.required[name])),
        fulfilled_by={obligation: name for obligation, name in law.fulfilled_by.items() if name not in lost},
    )


def _reaches(name: str, catalogue: Catalogue, forbidden: Mapping[str, Finding]) -> bool:
    return name in forbidden or any(_reaches(needed, catalogue, forbidden) for needed in catalogue.modules[name].depends)


def _close(roots: Iterable[str], catalogue: Catalogue, forbidden: Mapping[str, Finding]) -> list[str]:
    """Roots and all they depend on, dependencies first, otherwise by name."""
    order: dict[str, None] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise DependencyCycle((*path[path.index(name) :], name))
        trail = (*path, name)
        if name not in catalogue.modules:
            raise DependencyConflict(trail, catalogue.why_absent(name))
        if path and name in forbidden:
            raise DependencyConflict(trail, f"{name} may not be used here ({forbidden[name].rule})")
        if path and (why := catalogue.why_not_installable(catalogue.modules[name])):
            raise DependencyConflict(trail, f"{name} cannot be installed: {why}")
        if name in order:
            return
        for needed in sorted(catalogue.modules[name].depends):
            visit(needed, trail)
        order[name] = None

    for root in roots:
        visit(root, ())
    return list(order)


def _kept(planned: frozenset[str], catalogue: Catalogue, standing: Standing) -> Mapping[str, str]:
    """Modules that stay although nothing asks for them, with the reason."""
    absent = [name for name in sorted(standing.installed - planned) if name in catalogue.modules]
    staying = [name for name in absent if not catalogue.modules[name].removable]
    if refused := [name for name in staying if name in standing.chosen]:
        raise ModuleNotRemovable(refused)
    locked = {name: standing.locks[name] for name in absent if name in standing.locks}
    for name, lock in locked.items():
        if name in standing.chosen:
            raise ModuleLocked(lock)
    kept = dict.fromkeys(staying, "installed before and not removable")
    return kept | {name: f"kept by law until {lock.until.isoformat()}: {lock.why}" for name, lock in locked.items()}


def _planned(
    order: list[str], wanted: frozenset[str], law: Match, kept: Mapping[str, str], catalogue: Catalogue
) -> Iterable[PlannedModule]:
    dependents: dict[str, list[str]] = defaultdict(list)
    for name in order:
        for needed in catalogue.modules[name].depends:
            dependents[needed].append(name)
    for name in order:
        reason = _reason(name in wanted, law.required.get(name, ()), sorted(dependents[name]), kept=kept.get(name))
        yield PlannedModule(name, catalogue.modules[name].version, reason)


def _reason(chosen: bool, findings: tuple[Finding, ...], dependents: list[str], *, kept: str | None) -> Reason:
    parts: list[str] = []
    if chosen:
        parts.append("chosen by the clinic")
    if findings:
        parts.append("required by law: " + "; ".join(f"{finding.title} ({finding.source})" for finding in findings))
    if dependents:
        parts.append(f"needed by {listed(dependents)}")
    if kept is not None:
        parts.append(kept)
    kind = ReasonKind.CHOSEN if chosen else ReasonKind.REQUIRED_BY_LAW if findings else ReasonKind.NEEDED_BY
    text = "; ".join(parts)
    return Reason(kind, (*(finding.id for finding in findings), *dependents), text[0].upper() + text[1:] + ".")

"""Modules that the law keeps where they are: those in the lock period of what they meet, and those whose records must still be kept. Pure.

requirements + what the modules meet + the day of last use → here → the planner, which refuses their removal with the legal reason.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from control_plane.compliance.requirements import Finding, Requirements
from control_plane.compliance.schema import ModuleLock, Retention


@dataclass(frozen=True, slots=True)
class Lock:
    """`until` is the last day on which the module must stay."""

    module: str
    obligation: str
    until: date
    why: str
    sources: tuple[str, ...]


def locks_of(
    requirements: Requirements,
    fulfils: Mapping[str, Iterable[str]],
    last_used: Mapping[str, date],
    kept_elsewhere: frozenset[str] = frozenset(),
) -> dict[str, Lock]:
    """The lock of each of these modules that has one, on the requirements' day. What nobody says was last used earlier, is in use."""
    found: dict[str, Lock] = {}
    findings = {one.id: one for one in requirements.obligations}
    records = {one.id: one.records for one in requirements.obligations} | {one.id: one.records for one in requirements.not_applicable}
    for module, obligations in sorted(fulfils.items()):
        for id_ in sorted(obligations):
            used = min(last_used.get(id_, requirements.on), requirements.on)
            kind = records.get(id_) if id_ not in kept_elsewhere else None
            lock = _lock(module, id_, used, findings.get(id_), kind, requirements.profile.retention.get(kind or ""))
            if lock is not None and lock.until >= requirements.on and (module not in found or found[module].until < lock.until):
                found[module] = lock
    return found


def _lock(module: str, obligation: str, used: date, finding: Finding | None, kind: str | None, term: Retention | None) -> Lock | None:
    until, why, sources = None, [], []
    if finding is not None and finding.lock is ModuleLock.END_OF_LAST_YEAR_USED:
        until = date(used.year, 12, 31)
        why.append(f"once used, it is kept until 31 December of the last year it was used, which is {used.year} ({finding.source}).")
        sources.append(finding.source)
    if term is not None and term.years is not None:
        until = date(used.year + term.years, 12, 31)
        why.append(f"its {kind} must be kept for {term.years} years after the year they were made in ({term.source}).")
        sources.append(term.source)
    if until is None:
        return None
    text = " ".join(why)
    return Lock(module, obligation, until, text[0].upper() + text[1:], tuple(sources))

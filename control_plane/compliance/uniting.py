"""The law of a legal entity whose clinics stand in several places: the union of what each place asks, each rule with its clinics. Pure.

One runtime serves all clinics of a tenant, so a module is there for all or for none: a prohibition for one clinic holds for all of them,
and against another clinic's requirement it is a conflict that a person must settle.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final, TypeVar

from control_plane.compliance.facts import Facts
from control_plane.compliance.history import EntityFacts, History
from control_plane.compliance.loading import Packs
from control_plane.compliance.requirements import Change, Conflict, Finding, Profile, Requirements, Status
from control_plane.compliance.resolving import HORIZON, resolve
from control_plane.compliance.schema import Retention, Text

Item = TypeVar("Item")
FIRST: Final = "main"
"""How the first clinic is called where several are told apart."""
_RANK: Final = {Status.FORBIDDEN: 0, Status.REQUIRED: 1, Status.UNDETERMINED: 2, Status.ALLOWED: 3}


def law_of(history: History, packs: Packs, on: date) -> Requirements:
    """What the law asks of a legal entity on a day, by statements known at one moment, and what will change in the next 180 days.

    Raises what compliance.resolve raises, for the day itself and for the days on which something changes.
    """
    found = _on(history.on(on), packs, on)
    turns = history.boundaries(on, on + HORIZON)
    if len(history.on(on).clinics) == 0 and not turns:
        return found
    days = {change.on for change in found.upcoming} | {change.on for day in turns for change in _on(history.on(day), packs, day).upcoming}
    days |= set(turns)
    coming = [day for day in sorted(days) if day <= on + HORIZON]
    return found.model_copy(update={"upcoming": tuple(_changes(found, history, packs, coming))})


def _on(facts: EntityFacts, packs: Packs, on: date) -> Requirements:
    entity = resolve(_asked(facts.entity, facts, packs), packs, on)
    if not facts.clinics:
        return entity
    return unite({FIRST: entity, **{key: resolve(_asked(one, facts, packs), packs, on) for key, one in facts.clinics.items()}})


def _asked(facts: Facts, entity: EntityFacts, packs: Packs) -> Facts:
    """A clinic's facts without those that only the law of another clinic's place asks for; what no place asks for is left to be refused."""
    if not entity.clinics:
        return facts
    places = (entity.entity, *entity.clinics.values())
    everywhere = {name for one in places for name in packs.jurisdiction(one.country, one.territory).facts}
    here = packs.jurisdiction(facts.country, facts.territory).facts
    asked = {name: value for name, value in facts.stated.items() if name in here or name not in everywhere}
    return facts.model_copy(update={"stated": asked})


def _changes(found: Requirements, history: History, packs: Packs, days: Iterable[date]) -> Iterable[Change]:
    before = {one.id: one for one in found.obligations}
    for day in days:
        after = {one.id: one for one in _on(history.on(day), packs, day).obligations}
        for id_ in sorted(before.keys() | after.keys()):
            old, new = before.get(id_), after.get(id_)
            decisive = new or old
            if decisive is not None and (old and old.status) != (new and new.status):
                yield Change(
                    on=day,
                    id=id_,
                    title=decisive.title,
                    before=old.status if old else None,
                    after=new.status if new else None,
                    why=decisive.why,
                    rule=decisive.rule,
                )
        before = after


def unite(parts: Mapping[str, Requirements]) -> Requirements:
    """One answer of several clinics' answers on one day. The first clinic gives currency, language and time zone."""
    first = next(iter(parts.values()))
    findings: dict[str, list[tuple[str, Finding]]] = {}
    for key, part in parts.items():
        for finding in part.obligations:
            findings.setdefault(finding.id, []).append((key, finding))
    return first.model_copy(
        update={
            "obligations": tuple(_united(found) for _, found in sorted(findings.items())),
            "not_applicable": _unique(one for part in parts.values() for one in part.not_applicable if one.id not in findings),
            "assumptions": _unique(one for part in parts.values() for one in part.assumptions),
            "upcoming": tuple(sorted(_unique(one for part in parts.values() for one in part.upcoming), key=lambda one: (one.on, one.id))),
            "conflicts": (
                *_unique(one for part in parts.values() for one in part.conflicts),
                *(clash for _, found in sorted(findings.items()) if (clash := _clash(found))),
            ),
            "profile": _profile(tuple(part.profile for part in parts.values())),
            "packs": {id_: digest for part in parts.values() for id_, digest in part.packs.items()},
        }
    )


def _united(found: list[tuple[str, Finding]]) -> Finding:
    _, decisive = min(found, key=lambda one: _RANK[one[1].status])
    return decisive.model_copy(update={"clinics": tuple(key for key, one in found if one.status is decisive.status)})


def _clash(found: list[tuple[str, Finding]]) -> Conflict | None:
    forbidden = [(key, one) for key, one in found if one.status is Status.FORBIDDEN]
    required = [(key, one) for key, one in found if one.status is Status.REQUIRED]
    if not forbidden or not required:
        return None
    (no_at, no), (yes_at, yes) = forbidden[0], required[0]
    return Conflict(
        id=no.id,
        rules=(no.rule, yes.rule),
        why=Text(
            en=f"{no.rule} forbids at the clinic {no_at} what {yes.rule} requires at {yes_at}.",
            es=f"{no.rule} prohíbe en la clínica {no_at} lo que {yes.rule} exige en {yes_at}.",
        ),
    )


def _profile(profiles: tuple[Profile, ...]) -> Profile:
    """What holds for all of the data together: every residency clause, every prohibition, the longest retention."""
    retention: dict[str, Retention] = {}
    for profile in profiles:
        for kind, term in profile.retention.items():
            known = retention.get(kind)
            if known is None or (term.years or 0) > (known.years or 0):
                retention[kind] = term
    return profiles[0].model_copy(
        update={
            "residency": _unique(clause for profile in profiles for clause in profile.residency),
            "retention": retention,
            "forbidden_features": _unique(one for profile in profiles for one in profile.forbidden_features),
            "privacy": _unique(one for profile in profiles for one in profile.privacy),
            "deadlines": _unique(one for profile in profiles for one in profile.deadlines),
        }
    )


def _unique(items: Iterable[Item]) -> tuple[Item, ...]:
    kept: list[Item] = []
    for item in items:
        if item not in kept:
            kept.append(item)
    return tuple(kept)

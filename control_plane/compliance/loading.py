"""Packs are read once, checked as a whole and given a digest; a jurisdiction is a country's pack under a territory's."""

import functools
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import stdnum
import yaml
from pydantic import ValidationError

from control_plane.compliance.conditions import Conditions, Range
from control_plane.compliance.errors import MalformedPack, UnknownCountry, UnknownTerritory
from control_plane.compliance.schema import (
    Deadline,
    Fact,
    Obligation,
    Pack,
    Prohibition,
    Residency,
    Retention,
    Rule,
    TaxIdKind,
    Text,
    Vat,
)

OFFICIAL = Path(__file__).parent / "packs"


def digest(pack: Pack) -> str:
    """sha256 over the pack's canonical JSON: comments and order of keys do not count, every figure and word does."""
    text = json.dumps(pack.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Jurisdiction:
    """What holds at one place: the country's pack with its territory's laid over it."""

    country: str
    territory: str | None
    name: Text
    currency: str
    locales: tuple[str, ...]
    time_zones: tuple[str, ...]
    tax_ids: tuple[TaxIdKind, ...]
    vat: Vat
    residency: tuple[Residency, ...]
    retention: Mapping[str, Retention]
    facts: Mapping[str, Fact]
    obligations: Mapping[str, Obligation]
    rules: tuple[Rule, ...]
    forbidden_features: tuple[Prohibition, ...]
    deadlines: tuple[Deadline, ...]
    privacy: tuple[Prohibition, ...]
    digests: Mapping[str, str]

    @property
    def id(self) -> str:
        return self.territory or self.country


@dataclass(frozen=True)
class Packs:
    """All packs of one version of the product, by jurisdiction."""

    by_id: Mapping[str, Pack]

    @property
    def countries(self) -> tuple[str, ...]:
        return tuple(sorted(id_ for id_, pack in self.by_id.items() if pack.parent is None))

    def territories(self, country: str) -> tuple[str, ...]:
        return tuple(sorted(id_ for id_, pack in self.by_id.items() if pack.parent == country))

    def jurisdiction(self, country: str, territory: str | None = None) -> Jurisdiction:
        """The law of a country or one of its territories; a territory may be given as ES-CN or CN.

        Raises UnknownCountry, UnknownTerritory.
        """
        code = country.strip().upper()
        root = self.by_id.get(code)
        if root is None or root.parent is not None:
            raise UnknownCountry(country, self.countries)
        asked = (territory or "").strip().upper()
        if not asked or asked == code:
            return _overlay(root, None)
        child = self.by_id.get(asked if "-" in asked else f"{code}-{asked}")
        if child is None or child.parent != code:
            raise UnknownTerritory(code, territory or "", self.territories(code))
        return _overlay(root, child)

    def every_jurisdiction(self) -> Iterator[Jurisdiction]:
        for country in self.countries:
            yield self.jurisdiction(country)
            for territory in self.territories(country):
                yield self.jurisdiction(country, territory)


def _overlay(root: Pack, child: Pack | None) -> Jurisdiction:
    top = child or root
    layers = (root,) if child is None else (root, child)
    rules = {rule.id: rule for layer in layers for rule in layer.rules}
    assert root.currency is not None  # a country without one is refused when it is read
    assert root.vat is not None
    return Jurisdiction(
        country=root.jurisdiction,
        territory=child.jurisdiction if child else None,
        name=top.name,
        currency=top.currency or root.currency,
        locales=top.locales or root.locales,
        time_zones=top.time_zones or root.time_zones,
        tax_ids=top.tax_ids or root.tax_ids,
        vat=top.vat or root.vat,
        residency=top.residency or root.residency,
        retention={key: value for layer in layers for key, value in layer.retention.items()},
        facts={key: value for layer in layers for key, value in layer.facts.items()},
        obligations={key: value for layer in layers for key, value in layer.obligations.items()},
        rules=tuple(rules.values()),
        forbidden_features=tuple(one for layer in layers for one in layer.forbidden_features),
        deadlines=tuple(one for layer in layers for one in layer.deadlines),
        privacy=tuple(one for layer in layers for one in layer.privacy),
        digests={layer.jurisdiction: digest(layer) for layer in layers},
    )


def load_packs(folder: Path) -> Packs:
    """Every *.yaml of a folder. Raises MalformedPack naming the file, the rule and what to do; nothing is loaded in part."""
    packs: dict[str, Pack] = {}
    files: dict[str, Path] = {}
    for file in sorted(folder.glob("*.yaml")):
        pack = _read(file)
        if pack.jurisdiction in packs:
            raise MalformedPack(
                file, [f"jurisdiction {pack.jurisdiction} is described by {files[pack.jurisdiction].name} already: join the two files"]
            )
        packs[pack.jurisdiction], files[pack.jurisdiction] = pack, file
    if not packs:
        raise MalformedPack(folder, ["the folder holds no *.yaml: reinstall the product, or name the right folder"])
    for id_, problems in problems_of(packs).items():
        raise MalformedPack(files[id_], problems)
    return Packs(packs)


def problems_of(packs: Mapping[str, Pack]) -> dict[str, list[str]]:
    """What is wrong with packs that are each well-formed, by jurisdiction: parents that are missing, contradictions."""
    found: dict[str, list[str]] = {}
    for id_, pack in packs.items():
        if pack.parent is not None and (pack.parent not in packs or packs[pack.parent].parent is not None):
            found[id_] = [f"parent {pack.parent} has no pack: write {pack.parent.lower()}.yaml or correct `parent`"]
    if not found:
        for jurisdiction in Packs(packs).every_jurisdiction():
            if problems := list(_contradictions(jurisdiction)):
                found[jurisdiction.id] = problems
    return found


def assemble(packs: Mapping[str, Pack]) -> Packs:
    """Packs that were checked before, as one law."""
    return Packs(dict(sorted(packs.items())))


def read_pack(text: str, name: str) -> Pack:
    """A pack written in YAML. Raises MalformedPack naming the rule and what to do."""
    return _parsed(text, Path(name))


@functools.cache
def official_packs() -> Packs:
    """The packs this version of the product ships."""
    return load_packs(OFFICIAL)


def _read(file: Path) -> Pack:
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise MalformedPack(file, [f"it is not valid YAML: {' '.join(str(error).split())}"]) from error
    return _parsed(text, file)


def _parsed(text: str, file: Path) -> Pack:
    try:
        content: Any = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise MalformedPack(file, [f"it is not valid YAML: {' '.join(str(error).split())}"]) from error
    if not isinstance(content, dict):
        raise MalformedPack(file, ["it must be a mapping that starts with `jurisdiction:`"])
    try:
        return Pack.model_validate(content)
    except ValidationError as error:
        raise MalformedPack(file, [_sentence(content, one) for one in error.errors()]) from error


def _sentence(content: dict[str, Any], error: Any) -> str:
    """A validation error with the rule's id instead of its position."""
    place: list[str] = []
    position: Any = content
    for step in error["loc"]:
        try:
            position = position[step]
        except (KeyError, IndexError, TypeError):
            position = None
        name = position.get("id") if isinstance(position, dict) and isinstance(step, int) else None
        place.append(f"rule {name}" if name else str(step))
    return f"{' › '.join(place) or 'the whole file'}: {error['msg'].removeprefix('Value error, ')}"


def _contradictions(jurisdiction: Jurisdiction) -> Iterator[str]:
    """What one file alone cannot show: rules on facts, obligations and numbers that nobody describes."""
    for rule in jurisdiction.rules:
        if rule.obligation not in jurisdiction.obligations:
            yield f"rule {rule.id}: the obligation {rule.obligation} has no title; add it under `obligations`"
        yield from _bad_conditions(f"rule {rule.id}", rule.when, jurisdiction.facts)
    for obligation in jurisdiction.obligations.keys() - {rule.obligation for rule in jurisdiction.rules}:
        yield f"obligation {obligation}: no rule is about it; add one or take it out"
    for id_, obligation_ in jurisdiction.obligations.items():
        if obligation_.records is not None and obligation_.records not in jurisdiction.retention:
            yield f"obligation {id_}: no retention is called {obligation_.records}; name one of {', '.join(sorted(jurisdiction.retention))}"
    for clause in jurisdiction.residency:
        yield from _bad_conditions("residency", clause.when, jurisdiction.facts)
    for kind in jurisdiction.tax_ids:
        try:
            module = stdnum.get_cc_module(*kind.format.split("."))
        except ValueError:
            module = None
        if module is None:
            yield f"tax id {kind.label}: python-stdnum has no {kind.format}; name one of its modules"
        elif not module.is_valid(kind.example):
            yield f"tax id {kind.label}: the example {kind.example} is not valid; give one that is"
    patterns = [(f"tax id {kind.label}", kind.within) for kind in jurisdiction.tax_ids if kind.within]
    patterns += [(f"fact {name}", derivation.tax_id_matches) for name, fact in jurisdiction.facts.items() for derivation in fact.derive]
    for place, pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            yield f"{place}: {pattern!r} is not a regular expression ({error}); correct it"


def _bad_conditions(place: str, when: Conditions, facts: Mapping[str, Fact]) -> Iterator[str]:
    for name, expected in when.items():
        fact = facts.get(name)
        if fact is None:
            yield f"{place}: nobody is asked for the fact {name}; describe it under `facts` or correct the name"
        elif isinstance(expected, Range):
            if fact.kind != "number":
                yield f"{place}: {name} is no number, so it cannot be compared; give one of its values"
        else:
            values: Iterable[object] = expected if isinstance(expected, tuple) else (expected,)
            for value in values:
                if not fact.accepts(value):
                    yield f"{place}: {value!r} is not a value of {name}; use one the fact accepts"

"""What a legal entity stated, in two times: when it holds (days) and since when it is known (moments). Pure.

statements → `as_known(at)` → `on(day)` → facts of the entity and of each of its clinics → (compliance.uniting) → requirements.
A correction closes what was believed and adds what is believed now; nothing is forgotten, so any past answer can be had again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from control_plane.compliance.facts import Facts

ENTITY: Final = ""
"""The subject of statements about the legal entity itself, which are those of its first clinic."""
OWN_FIELDS: Final = ("country", "territory", "legal_form", "tax_id")
CLINIC_NAME: Final = "name"
LAST_USED: Final = ".last_used"
"""`es-verifactu.last_used`: the day on which something that meets an obligation was last used; for locks, never for rules."""
KEPT_ELSEWHERE: Final = ".records_kept_elsewhere"
"""`es-verifactu.records_kept_elsewhere`: its records were exported, or there are none; its retention holds no module any more."""

Value = bool | int | Decimal | str | None


@dataclass(frozen=True, slots=True)
class Statement:
    """`value` holds from `valid_from` until the day before `valid_until`; None is open. None as a value: nothing is said."""

    clinic: str
    name: str
    value: Value
    valid_from: date | None = None
    valid_until: date | None = None
    known_from: datetime | None = None
    known_until: datetime | None = None

    def holds(self, on: date) -> bool:
        return (self.valid_from is None or self.valid_from <= on) and (self.valid_until is None or on < self.valid_until)

    def known(self, at: datetime) -> bool:
        return (self.known_from is None or self.known_from <= at) and (self.known_until is None or at < self.known_until)

    def meets(self, other: "Statement") -> bool:
        """Whether there is a day for which both speak."""
        return _before(self.valid_from, other.valid_until) and _before(other.valid_from, self.valid_until)


def _before(start: date | None, end: date | None) -> bool:
    return start is None or end is None or start < end


@dataclass(frozen=True)
class EntityFacts:
    """A legal entity on one day: its own facts, which are its first clinic's, and its further clinics by key."""

    entity: Facts
    clinics: Mapping[str, Facts]
    names: Mapping[str, str]
    last_used: Mapping[str, date]
    """By obligation."""
    kept_elsewhere: frozenset[str] = frozenset()
    """Obligations whose records are safe without any module."""


@dataclass(frozen=True)
class History:
    """Statements of one legal entity, of any time."""

    statements: tuple[Statement, ...]

    def as_known(self, at: datetime) -> "History":
        """What was believed at a moment."""
        return History(tuple(one for one in self.statements if one.known(at)))

    @property
    def current(self) -> "History":
        """What is believed, where nobody has corrected it."""
        return History(tuple(one for one in self.statements if one.known_until is None))

    def boundaries(self, after: date, until: date) -> tuple[date, ...]:
        """Days in (after, until] from which on something else holds."""
        days = {day for one in self.statements for day in (one.valid_from, one.valid_until) if day}
        return tuple(sorted(day for day in days if after < day <= until))

    def on(self, day: date) -> EntityFacts:
        """The facts on a day, of statements known at one moment."""
        said: dict[str, dict[str, Value]] = {}
        for one in self.statements:
            if one.value is not None and one.holds(day):
                said.setdefault(one.clinic, {})[one.name] = one.value
        entity = said.pop(ENTITY, {})
        last_used = {name.removesuffix(LAST_USED): value for name, value in entity.items() if name.endswith(LAST_USED)}
        elsewhere = {name.removesuffix(KEPT_ELSEWHERE) for name, value in entity.items() if name.endswith(KEPT_ELSEWHERE) and value is True}
        own = {name: value for name, value in entity.items() if not name.endswith((LAST_USED, KEPT_ELSEWHERE))}
        # A clinic is there as long as its country is stated.
        clinics = {key: facts for key, facts in sorted(said.items()) if facts.get("country")}
        return EntityFacts(
            entity=_facts(own),
            clinics={key: _clinic(own, facts) for key, facts in clinics.items()},
            names={key: str(facts.get(CLINIC_NAME) or key) for key, facts in clinics.items()},
            last_used={obligation: date.fromisoformat(str(value)) for obligation, value in last_used.items()},
            kept_elsewhere=frozenset(elsewhere),
        )

    def stating(self, new: Statement, *, at: datetime) -> tuple[tuple[Statement, ...], tuple[Statement, ...]]:
        """What to close and what to add, so that `new` is believed from `at` on. Parts of what was believed that it leaves alone stay."""
        met = [one for one in self.current.statements if (one.clinic, one.name) == (new.clinic, new.name) and one.meets(new)]
        if any(one.value == new.value and type(one.value) is type(new.value) and _covers(one, new) for one in met):
            return (), ()
        left: list[Statement] = []
        for one in met:
            if new.valid_from is not None and _before(one.valid_from, new.valid_from):
                left.append(replace(one, valid_until=new.valid_from, known_from=at))
            if new.valid_until is not None and _before(new.valid_until, one.valid_until):
                left.append(replace(one, valid_from=new.valid_until, known_from=at))
        return tuple(met), (*left, replace(new, known_from=at, known_until=None))


def _covers(one: Statement, other: Statement) -> bool:
    starts = one.valid_from is None or (other.valid_from is not None and one.valid_from <= other.valid_from)
    return starts and (one.valid_until is None or (other.valid_until is not None and other.valid_until <= one.valid_until))


def statements_of(subject: str, facts: Mapping[str, Value], **about: Any) -> Iterable[Statement]:
    """One statement for each fact that is said."""
    return (Statement(subject, name, value, **about) for name, value in facts.items() if value is not None and value != "")


def _facts(said: Mapping[str, Value]) -> Facts:
    own = {name: said.get(name) for name in OWN_FIELDS}
    further = {name: value for name, value in said.items() if name not in OWN_FIELDS}
    return Facts.of(
        str(own["country"] or ""),
        _text(own["territory"]),
        legal_form=_text(own["legal_form"]),
        tax_id=_text(own["tax_id"]),
        **further,
    )


def _clinic(entity: Mapping[str, Value], clinic: Mapping[str, Value]) -> Facts:
    """A further clinic has its entity's facts and, over them, its own. Of an entity abroad it has neither tax id nor legal form."""
    at_home = clinic["country"] == entity.get("country")
    inherited = {name: value for name, value in entity.items() if name != "territory" and (at_home or name not in OWN_FIELDS)}
    return _facts({**inherited, **{name: value for name, value in clinic.items() if name != CLINIC_NAME}})


def _text(value: Value) -> str | None:
    return None if value is None else str(value)

"""What a clinic says about itself, checked and completed: stated facts first, then what its tax id settles, then the pack's assumptions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from pydantic import BaseModel, ConfigDict

from control_plane.compliance.conditions import FactValue
from control_plane.compliance.errors import InvalidFact, LegalFormContradictsTaxId, UnknownFact
from control_plane.compliance.loading import Jurisdiction
from control_plane.compliance.schema import Fact, Text
from control_plane.compliance.tax_ids import TaxId, validate_tax_id

LEGAL_FORM = "legal_form"
_YES = frozenset({"true", "yes", "1", "on"})
_NO = frozenset({"false", "no", "0", "off"})


class Facts(BaseModel):
    """A clinic's own statements. `stated` holds the facts a country's pack asks for beyond the four every tenant has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    country: str
    territory: str | None = None
    legal_form: str | None = None
    tax_id: str | None = None
    stated: dict[str, bool | int | Decimal | str] = {}

    @classmethod
    def of(
        cls,
        country: str,
        territory: str | None = None,
        *,
        legal_form: str | None = None,
        tax_id: str | None = None,
        **stated: FactValue | None,
    ) -> "Facts":
        """Facts from keywords, where what is None or an empty text was not said."""
        said = {name: value for name, value in stated.items() if value is not None and value != ""}
        return cls(country=country, territory=territory or None, legal_form=legal_form or None, tax_id=tax_id or None, stated=said)


@dataclass(frozen=True)
class Premise:
    """A fact nobody stated, with the value used and why."""

    fact: str
    value: FactValue
    why: Text


@dataclass(frozen=True)
class Established:
    """All that is known about the clinic; a fact missing from `known` is unknown."""

    known: Mapping[str, FactValue]
    assumed: tuple[Premise, ...]
    derived: tuple[Premise, ...]
    tax_id: TaxId | None


def establish(facts: Facts, jurisdiction: Jurisdiction) -> Established:
    """Check what was stated and complete it.

    Raises InvalidTaxId, UnknownFact, InvalidFact, LegalFormContradictsTaxId.
    """
    tax_id = validate_tax_id(jurisdiction, facts.tax_id) if facts.tax_id else None
    known = _stated(facts, jurisdiction)
    derived: list[Premise] = []
    assumed: list[Premise] = []
    for name, fact in jurisdiction.facts.items():
        settled = _derive(name, fact, tax_id)
        if settled is not None and name in known and known[name] != settled.value and tax_id is not None:
            raise LegalFormContradictsTaxId(str(known[name]), tax_id.number, str(settled.value), str(settled.why))
        if name in known:
            continue
        if settled is not None:
            derived.append(settled)
            known[name] = settled.value
        elif fact.assume is not None and fact.because is not None:
            assumed.append(Premise(name, fact.assume, fact.because))
            known[name] = fact.assume
    return Established(known, tuple(assumed), tuple(derived), tax_id)


def _stated(facts: Facts, jurisdiction: Jurisdiction) -> dict[str, FactValue]:
    given: dict[str, FactValue] = dict(facts.stated)
    # Every tenant has a legal form; where no rule asks for it, any words are welcome.
    if facts.legal_form is not None and LEGAL_FORM in jurisdiction.facts:
        given[LEGAL_FORM] = facts.legal_form
    known: dict[str, FactValue] = {}
    for name, value in given.items():
        fact = jurisdiction.facts.get(name)
        if fact is None:
            raise UnknownFact(name, jurisdiction.id, sorted(jurisdiction.facts))
        known[name] = read_value(name, fact, value)
    return known


def read_value(name: str, fact: Fact, value: FactValue) -> FactValue:
    """A value as the fact's kind has it, also from the text of a form or an address. Raises InvalidFact."""
    text = str(value).strip().lower()
    match fact.kind:
        case "yes_no":
            if text in _YES | _NO:
                return text in _YES
            raise InvalidFact(name, value, "true or false")
        case "number":
            try:
                number = Decimal(text)
            except InvalidOperation as error:
                raise InvalidFact(name, value, "a number") from error
            if isinstance(value, bool) or not number.is_finite():
                raise InvalidFact(name, value, "a number")
            return number
        case "choice":
            wanted = text.replace("-", "_").replace(" ", "_")
            for key, choice in fact.choices.items():
                if wanted == key or wanted in choice.also:
                    return key
            raise InvalidFact(name, value, f"one of {', '.join(fact.choices)}")


def _derive(name: str, fact: Fact, tax_id: TaxId | None) -> Premise | None:
    if tax_id is None:
        return None
    for derivation in fact.derive:
        if re.match(derivation.tax_id_matches, tax_id.number):
            return Premise(name, derivation.value, derivation.why)
    return None

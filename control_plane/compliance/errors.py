"""What can be wrong with a pack or with what a clinic says about itself."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from dentalpin_kit.problems import DomainError


def _listed(ids: Iterable[str]) -> str:
    return ", ".join(ids)


class MalformedPack(Exception):
    """A pack of the product cannot be used; the platform must not start with half of the law."""

    def __init__(self, file: Path, problems: Sequence[str]) -> None:
        self.file, self.problems = file, tuple(problems)
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(
            f"The compliance pack {file.name} cannot be used:\n{lines}\nCorrect the file; docs/compliance.md explains each field."
        )


class UnknownCountry(DomainError):
    status = 422
    code = "unknown_country"

    def __init__(self, country: str, known: Sequence[str]) -> None:
        super().__init__(
            f"There is no compliance pack for the country {country!r}. Give the two-letter code of one of: {_listed(known)}.",
            country=country,
            known=list(known),
        )


class CountryNotFound(UnknownCountry):
    """The same, where the country is the address."""

    status = 404


class UnknownTerritory(DomainError):
    status = 422
    code = "unknown_territory"

    def __init__(self, country: str, territory: str, known: Sequence[str]) -> None:
        way_out = f"Known are {_listed(known)}; leave it out for the rest of {country}." if known else f"{country} has none: leave it out."
        super().__init__(
            f"{country} has no territory {territory!r} with rules of its own. {way_out}",
            country=country,
            territory=territory,
            known=list(known),
        )


class UnknownFact(DomainError):
    status = 422
    code = "unknown_fact"

    def __init__(self, fact: str, jurisdiction: str, known: Sequence[str]) -> None:
        way_out = f"It asks for: {_listed(known)}." if known else "It asks for none: leave it out."
        super().__init__(f"The law of {jurisdiction} asks nothing about {fact!r}. {way_out}", fact=fact, known=list(known))


class InvalidFact(DomainError):
    status = 422
    code = "invalid_fact"

    def __init__(self, fact: str, value: object, expected: str) -> None:
        super().__init__(f"{value!r} is not an answer to {fact!r}. Give {expected}.", fact=fact, value=str(value))


class InvalidTaxId(DomainError):
    status = 422
    code = "invalid_tax_id"

    def __init__(self, tax_id: str, jurisdiction: str, why: str, kinds: Sequence[str], example: str) -> None:
        super().__init__(
            f"{tax_id!r} is not a valid tax id in {jurisdiction}: {why}. Give the clinic's {' or '.join(kinds)}, for example {example}.",
            tax_id=tax_id,
            country=jurisdiction,
            kinds=list(kinds),
        )


class LegalFormContradictsTaxId(DomainError):
    status = 422
    code = "legal_form_contradicts_tax_id"

    def __init__(self, legal_form: str, tax_id: str, derived: str, why: str) -> None:
        super().__init__(
            f"The tax id {tax_id} does not go with the legal form {legal_form!r}: {why} "
            f"Correct the tax id, or give {derived!r} or no legal form.",
            legal_form=legal_form,
            tax_id=tax_id,
            derived=derived,
        )


class ConflictingLaw(DomainError):
    status = 422
    code = "conflicting_law"

    def __init__(self, conflicts: Sequence[str]) -> None:
        super().__init__(
            f"The rules contradict each other for these facts: {' '.join(conflicts)} "
            "Check the facts; if they are right, write to us before going on.",
            conflicts=list(conflicts),
        )


class BadDate(DomainError):
    status = 422
    code = "bad_date"

    def __init__(self, value: str) -> None:
        super().__init__(f"{value!r} is not a date. Write it as YYYY-MM-DD, for example 2027-01-01.", value=value)

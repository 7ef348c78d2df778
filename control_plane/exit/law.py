"""What the law asks to be kept of a clinic that has gone, and until when: pure, from the retention terms of its packs.

Which record began when only the clinic knows; the platform reckons from the day it went, which no record is younger than. Where an age
decides, from a patient born on that day. So what is kept is never too little.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from control_plane.compliance.schema import Retention


@dataclass(frozen=True, slots=True)
class Term:
    """One kind of record, until when it is to be kept, and who says so."""

    record: str
    until: date | None
    """None: no figure is fixed, and `note` says who decides."""
    law: str
    basis: str | None
    note: str | None
    confidence: str


@dataclass(frozen=True, slots=True)
class Keeping:
    """All terms of a tenant, the longest first."""

    terms: tuple[Term, ...]

    @property
    def until(self) -> date | None:
        """The day until which something is to be kept; None where nothing has a fixed term."""
        return max((term.until for term in self.terms if term.until is not None), default=None)

    def decisive(self) -> Term | None:
        """The term that keeps everything the longest."""
        return next((term for term in self.terms if term.until is not None), None)


def keeping(retention: Mapping[str, Retention], gone_on: date) -> Keeping:
    terms = [
        Term(
            record=record,
            until=None if rule.years is None else years_after(gone_on, max(rule.years, rule.until_age or 0)),
            law=rule.source,
            basis=rule.basis,
            note=str(rule.note) if rule.note is not None else None,
            confidence=rule.confidence.value,
        )
        for record, rule in retention.items()
    ]
    return Keeping(tuple(sorted(terms, key=lambda term: (term.until is None, -(term.until or date.max).toordinal(), term.record))))


def years_after(day: date, years: int) -> date:
    """The same day so many years later; 1 March for a 29 February that is not there."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)

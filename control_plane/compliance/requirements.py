"""The answer of the compliance step: values that travel to revisions, the API and the sign-up pages."""

from datetime import date
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from control_plane.compliance.errors import ConflictingLaw
from control_plane.compliance.schema import Confidence, Deadline, ModuleLock, Prohibition, Residency, Retention, TaxIdKind, Text, Vat


class Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class Status(StrEnum):
    REQUIRED = "required"
    ALLOWED = "allowed"
    FORBIDDEN = "forbidden"
    UNDETERMINED = "undetermined"


class Finding(Value):
    """One obligation on one date, and the rule that decided."""

    id: str
    title: Text
    status: Status
    why: Text
    rule: str
    source: str
    confidence: Confidence
    since: date | None
    until: date | None
    lock: ModuleLock | None
    depends_on: tuple[str, ...] = ()
    clinics: tuple[str, ...] = ()
    """Which clinics it is about, where the tenant has several."""
    records: str | None = None
    """What kind of records a module that meets it keeps, by the name the retention has."""


class NotApplicable(Value):
    """An obligation the country knows and that does not concern this clinic today, with the facts or the date that say so."""

    id: str
    title: Text
    why: Text
    records: str | None = None


class Assumption(Value):
    """A fact nobody stated: assumed by the pack, or read off the tax id."""

    fact: str
    value: bool | int | str
    how: Literal["assumed", "derived"]
    why: Text


class Change(Value):
    """What will be different from a coming day on; no status means that the obligation does not apply."""

    on: date
    id: str
    title: Text
    before: Status | None
    after: Status | None
    why: Text
    rule: str


class Conflict(Value):
    """Two rules that cannot both be followed. A person must decide; nothing is planned meanwhile."""

    id: str
    rules: tuple[str, ...]
    why: Text


class Profile(Value):
    """What holds in the jurisdiction whatever the clinic's facts; residency clauses are those that concern it."""

    name: Text
    currency: str
    locales: tuple[str, ...]
    time_zones: tuple[str, ...]
    tax_ids: tuple[TaxIdKind, ...]
    vat: Vat
    residency: tuple[Residency, ...]
    retention: dict[str, Retention]
    forbidden_features: tuple[Prohibition, ...]
    privacy: tuple[Prohibition, ...]
    deadlines: tuple[Deadline, ...]


class Requirements(Value):
    """What the law asks of one clinic on one date, and why."""

    country: str
    territory: str | None
    on: date
    tax_id: str | None
    obligations: tuple[Finding, ...]
    not_applicable: tuple[NotApplicable, ...]
    assumptions: tuple[Assumption, ...]
    upcoming: tuple[Change, ...]
    conflicts: tuple[Conflict, ...]
    profile: Profile
    packs: dict[str, str]

    def with_status(self, status: Status) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.obligations if finding.status is status)

    def refuse_conflicts(self) -> None:
        """Raises ConflictingLaw when rules contradict each other, since neither choice would be right."""
        if self.conflicts:
            raise ConflictingLaw([str(conflict.why) for conflict in self.conflicts])

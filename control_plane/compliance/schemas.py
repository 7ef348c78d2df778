"""Answers of `/v1/compliance`: requirements with texts in one language."""

from datetime import date

from pydantic import BaseModel

from control_plane.compliance.loading import Jurisdiction, Packs
from control_plane.compliance.matching import Match
from control_plane.compliance.requirements import Requirements, Status
from control_plane.compliance.schema import Deadline, Prohibition, Residency, Retention, Text, Vat


class TerritoryOut(BaseModel):
    id: str
    name: str


class CountryOut(BaseModel):
    country: str
    name: str
    currency: str
    locales: list[str]
    time_zones: list[str]
    tax_ids: list[str]
    facts: list[str]
    territories: list[TerritoryOut]

    @classmethod
    def of(cls, packs: Packs, jurisdiction: Jurisdiction, language: str) -> "CountryOut":
        territories = [packs.jurisdiction(jurisdiction.country, id_) for id_ in packs.territories(jurisdiction.country)]
        return cls(
            country=jurisdiction.country,
            name=jurisdiction.name.to(language),
            currency=jurisdiction.currency,
            locales=list(jurisdiction.locales),
            time_zones=list(jurisdiction.time_zones),
            tax_ids=[kind.label for kind in jurisdiction.tax_ids if kind.identifies == "clinic"],
            facts=sorted(jurisdiction.facts),
            territories=[TerritoryOut(id=one.territory or "", name=one.name.to(language)) for one in territories],
        )


class CountriesOut(BaseModel):
    items: list[CountryOut]


class ObligationOut(BaseModel):
    id: str
    title: str
    status: Status
    why: str
    rule: str
    source: str
    confidence: str
    effective_from: date | None
    effective_until: date | None
    lock: str | None
    depends_on: list[str]
    fulfilled_by: str | None
    """The module of the newest release that would be installed for it."""
    clinics: list[str]
    """Which clinics it is about, where a tenant has several."""


class NotApplicableOut(BaseModel):
    id: str
    title: str
    why: str


class AssumptionOut(BaseModel):
    fact: str
    value: bool | int | str
    how: str
    why: str


class ChangeOut(BaseModel):
    on: date
    id: str
    title: str
    before: Status | None
    after: Status | None
    why: str
    rule: str


class ConflictOut(BaseModel):
    id: str
    rules: list[str]
    why: str


class ProhibitionOut(BaseModel):
    feature: str
    text: str
    source: str

    @classmethod
    def of(cls, prohibition: Prohibition, language: str) -> "ProhibitionOut":
        return cls(feature=prohibition.feature, text=prohibition.text.to(language), source=prohibition.source)


class DeadlineOut(BaseModel):
    what: str
    due: str | None
    effective_from: date | None
    text: str
    source: str

    @classmethod
    def of(cls, deadline: Deadline, language: str) -> "DeadlineOut":
        return cls(
            what=deadline.what,
            due=deadline.due,
            effective_from=deadline.effective_from,
            text=deadline.text.to(language),
            source=deadline.source,
        )


class VatOut(BaseModel):
    name: str | None
    tax_code: str | None
    dental: str
    basis: str | None
    codes: dict[str, str]
    source: str
    exception: str | None

    @classmethod
    def of(cls, vat: Vat, language: str) -> "VatOut":
        exception = _said(vat.exception, language)
        return cls(
            name=vat.name,
            tax_code=vat.tax_code,
            dental=vat.dental,
            basis=vat.basis,
            codes=vat.codes,
            source=vat.source,
            exception=exception,
        )


class ResidencyOut(BaseModel):
    regions: list[str]
    basis: str
    certification: str | None
    contract: str | None
    source: str
    confidence: str
    note: str | None

    @classmethod
    def of(cls, clause: Residency, language: str) -> "ResidencyOut":
        return cls(
            regions=list(clause.regions),
            basis=clause.basis,
            certification=clause.certification,
            contract=clause.contract,
            source=clause.source,
            confidence=clause.confidence,
            note=_said(clause.note, language),
        )


class RetentionOut(BaseModel):
    years: int | None
    until_age: int | None
    basis: str | None
    source: str
    confidence: str
    note: str | None

    @classmethod
    def of(cls, term: Retention, language: str) -> "RetentionOut":
        return cls(
            years=term.years,
            until_age=term.until_age,
            basis=term.basis,
            source=term.source,
            confidence=term.confidence,
            note=_said(term.note, language),
        )


class RequirementsOut(BaseModel):
    country: str
    territory: str | None
    name: str
    on: date
    obligations: list[ObligationOut]
    unmet: list[str] | None
    """Required obligations nothing in the newest release fulfils; null before the first release."""
    not_applicable: list[NotApplicableOut]
    assumptions: list[AssumptionOut]
    upcoming: list[ChangeOut]
    conflicts: list[ConflictOut]
    currency: str
    locales: list[str]
    time_zones: list[str]
    vat: VatOut
    residency: list[ResidencyOut]
    retention: dict[str, RetentionOut]
    forbidden_features: list[ProhibitionOut]
    privacy: list[ProhibitionOut]
    deadlines: list[DeadlineOut]
    packs: dict[str, str]

    @classmethod
    def of(cls, found: Requirements, language: str, matched: Match | None = None) -> "RequirementsOut":
        profile = found.profile
        return cls(
            country=found.country,
            territory=found.territory,
            name=profile.name.to(language),
            on=found.on,
            obligations=[
                ObligationOut(
                    id=one.id,
                    title=one.title.to(language),
                    status=one.status,
                    why=one.why.to(language),
                    rule=one.rule,
                    source=one.source,
                    confidence=one.confidence,
                    effective_from=one.since,
                    effective_until=one.until,
                    lock=one.lock,
                    depends_on=list(one.depends_on),
                    fulfilled_by=matched.fulfilled_by.get(one.id) if matched else None,
                    clinics=list(one.clinics),
                )
                for one in found.obligations
            ],
            unmet=[one.id for one in matched.unmet] if matched else None,
            not_applicable=[
                NotApplicableOut(id=one.id, title=one.title.to(language), why=one.why.to(language)) for one in found.not_applicable
            ],
            assumptions=[AssumptionOut(fact=one.fact, value=one.value, how=one.how, why=one.why.to(language)) for one in found.assumptions],
            upcoming=[
                ChangeOut(
                    on=one.on,
                    id=one.id,
                    title=one.title.to(language),
                    before=one.before,
                    after=one.after,
                    why=one.why.to(language),
                    rule=one.rule,
                )
                for one in found.upcoming
            ],
            conflicts=[ConflictOut(id=one.id, rules=list(one.rules), why=one.why.to(language)) for one in found.conflicts],
            currency=profile.currency,
            locales=list(profile.locales),
            time_zones=list(profile.time_zones),
            vat=VatOut.of(profile.vat, language),
            residency=[ResidencyOut.of(one, language) for one in profile.residency],
            retention={key: RetentionOut.of(one, language) for key, one in profile.retention.items()},
            forbidden_features=[ProhibitionOut.of(one, language) for one in profile.forbidden_features],
            privacy=[ProhibitionOut.of(one, language) for one in profile.privacy],
            deadlines=[DeadlineOut.of(one, language) for one in profile.deadlines],
            packs=found.packs,
        )


def _said(text: Text | None, language: str) -> str | None:
    return text.to(language) if text else None

"""Facts over time, editions and their effect, as the API takes and shows them."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from control_plane.campaigns.strategy import Strategy
from control_plane.compliance.history import ENTITY, EntityFacts, Statement
from control_plane.compliance.locks import Lock
from control_plane.compliance.schemas import RequirementsOut
from control_plane.law.models import Edition, StatementRow
from control_plane.tenants.models import Tenant

FactValue = bool | int | Decimal | str
ALWAYS: Literal["always"] = "always"


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must not contain control characters")
    return text


Note = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), AfterValidator(_printable)]
FactName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*(\.(last_used|records_kept_elsewhere))?$", max_length=80)]
ClinicKey = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]


class NewFacts(BaseModel):
    """What is stated of a legal entity, or of one of its further clinics.

    A value of null says that nothing is known from then on; a clinic whose `country` is null is there no more.
    """

    model_config = ConfigDict(extra="forbid")

    clinic: ClinicKey | None = None
    """The further clinic it is about; left out: the legal entity with its first clinic."""
    facts: Annotated[dict[FactName, FactValue | None], Field(min_length=1, max_length=50)]
    valid_from: date | Literal["always"] | None = None
    """The first day it holds; left out: today. A day that is past, or `always`, is a correction: what was believed stays readable."""
    valid_until: date | None = None
    """The first day it holds no more; left out: until something else is stated."""
    note: Note | None = None

    def statements(self, today: date) -> list[Statement]:
        start = self.valid_from if isinstance(self.valid_from, date) else None if self.valid_from == ALWAYS else today
        subject = self.clinic or ENTITY
        return [
            Statement(subject, name, value, valid_from=start, valid_until=self.valid_until) for name, value in sorted(self.facts.items())
        ]


class ClinicFactsOut(BaseModel):
    key: str
    name: str
    country: str
    territory: str | None
    legal_form: str | None
    tax_id: str | None
    facts: dict[str, FactValue]


class FactsOut(BaseModel):
    """What holds on a day, by what was known at a moment."""

    valid_on: date
    known_at: datetime
    country: str
    territory: str | None
    legal_form: str | None
    tax_id: str | None
    facts: dict[str, FactValue]
    clinics: list[ClinicFactsOut]
    last_used: dict[str, date]
    records_kept_elsewhere: list[str]

    @classmethod
    def of(cls, found: EntityFacts, *, valid_on: date, known_at: datetime) -> "FactsOut":
        entity = found.entity
        return cls(
            valid_on=valid_on,
            known_at=known_at,
            country=entity.country,
            territory=entity.territory,
            legal_form=entity.legal_form,
            tax_id=entity.tax_id,
            facts=entity.stated,
            clinics=[
                ClinicFactsOut(
                    key=key,
                    name=found.names[key],
                    country=one.country,
                    territory=one.territory,
                    legal_form=one.legal_form,
                    tax_id=one.tax_id,
                    facts=one.stated,
                )
                for key, one in found.clinics.items()
            ],
            last_used=dict(found.last_used),
            records_kept_elsewhere=sorted(found.kept_elsewhere),
        )


class StatementOut(BaseModel):
    number: int
    clinic: str | None
    name: str
    value: Any
    valid_from: date | None
    valid_until: date | None
    known_from: datetime
    known_until: datetime | None
    stated_by: str
    note: str | None

    @classmethod
    def of(cls, row: StatementRow) -> "StatementOut":
        return cls(
            number=row.number,
            clinic=row.clinic or None,
            name=row.name,
            value=row.value,
            valid_from=row.valid_from,
            valid_until=row.valid_until,
            known_from=row.known_from,
            known_until=row.known_until,
            stated_by=row.stated_by,
            note=row.note,
        )


class StatementList(BaseModel):
    items: list[StatementOut]
    next: str | None


class LockOut(BaseModel):
    module: str
    obligation: str
    until: date
    why: str
    sources: list[str]

    @classmethod
    def of(cls, lock: Lock) -> "LockOut":
        return cls(module=lock.module, obligation=lock.obligation, until=lock.until, why=lock.why, sources=list(lock.sources))


class TenantLawOut(RequirementsOut):
    """What the law asks of a tenant, and what keeps it from being brought about."""

    edition: int | None
    """Of the packs the tenant is planned with; null: those of the product."""
    known_at: datetime
    locks: list[LockOut]
    """Installed modules that the law keeps."""
    problem: str | None
    """Why today's law waits for a person."""
    problem_code: str | None
    region: str | None
    next_look: datetime | None


class AttentionOut(BaseModel):
    tenant: str
    name: str
    country: str
    code: str
    problem: str

    @classmethod
    def of(cls, tenant: Tenant) -> "AttentionOut":
        assert tenant.law_problem is not None
        assert tenant.law_problem_code is not None
        return cls(tenant=tenant.slug, name=tenant.name, country=tenant.country, code=tenant.law_problem_code, problem=tenant.law_problem)


class AttentionList(BaseModel):
    items: list[AttentionOut]
    next: str | None


class NewEdition(BaseModel):
    """Packs that replace those of the same jurisdictions, as YAML (or JSON) texts in the format of docs/compliance.md."""

    model_config = ConfigDict(extra="forbid")

    packs: Annotated[list[Annotated[str, Field(max_length=500_000)]], Field(min_length=1, max_length=50)]
    note: Note | None = None


class Publication(BaseModel):
    model_config = ConfigDict(extra="forbid")

    seen: str
    """The digest of the effect that was looked at; where it differs by now, nothing is published."""
    strategy: Strategy = Strategy()
    """How the campaign of those it restarts goes about it."""


class AffectedOut(BaseModel):
    tenant: str
    changes: list[str]
    """Obligations whose status is another, as `id: before → after`."""
    install: list[str]
    remove: list[str]
    problem: str | None = None


class EffectOut(BaseModel):
    """What publishing would do, tenant by tenant."""

    digest: str
    tenants: int
    """Tenants whose law is in what changes."""
    restarts: list[AffectedOut]
    """Their effect digest changes: these, and no others, are rolled out to."""
    answers: list[AffectedOut]
    """The answer changes (words, sources, coming dates) and nothing they run."""
    problems: list[AffectedOut]
    """The law could not be brought about without a person."""


class EditionOut(BaseModel):
    id: UUID
    number: int | None
    state: str
    changed: list[str]
    note: str | None
    created_at: datetime
    created_by: str
    published_at: datetime | None
    published_by: str | None
    campaign: UUID | None
    """Of the tenants it restarts."""
    behind: int | None
    """How many tenants have not come to it; null in lists and for drafts."""
    effect: EffectOut | None
    """What publishing it did."""

    @classmethod
    def of(cls, edition: Edition, behind: int | None = None) -> "EditionOut":
        return cls(
            id=edition.id,
            number=edition.number,
            state=edition.state,
            changed=edition.changed,
            note=edition.note,
            created_at=edition.created_at,
            created_by=edition.created_by,
            published_at=edition.published_at,
            published_by=edition.published_by,
            campaign=edition.campaign_id,
            behind=behind,
            effect=EffectOut.model_validate(edition.effect) if edition.effect else None,
        )


class EditionList(BaseModel):
    items: list[EditionOut]
    next: str | None

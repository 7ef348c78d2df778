"""The format of a compliance pack. docs/compliance.md explains how to write one; loading.py reads the files."""

from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, field_validator, model_validator

from control_plane.compliance.conditions import Expected

Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
JurisdictionId = Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]
ObligationId = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z0-9]+)+$")]
RuleId = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z0-9]+)+\.[a-z0-9-]+$")]
FactName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
NotBlank = Annotated[str, Field(min_length=1)]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{name} is not an IANA time zone") from error
    return name


TimeZone = Annotated[str, AfterValidator(_known_zone)]


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Effect(StrEnum):
    REQUIRE = "require"
    ALLOW = "allow"
    FORBID = "forbid"


class Confidence(StrEnum):
    """How a figure is known: read in the law (or a quotation of it), or second-hand and to be read again before anyone relies on it."""

    READ = "read"
    SECONDARY = "secondary"


class ModuleLock(StrEnum):
    """How long a module that was once used must stay, whatever the clinic then prefers."""

    END_OF_LAST_YEAR_USED = "end_of_last_year_used"


class Text(Strict):
    """A sentence for people, in the languages the platform speaks."""

    en: NotBlank
    es: NotBlank

    def __str__(self) -> str:
        return self.en

    def to(self, language: str) -> str:
        return self.es if language.split("-")[0] == "es" else self.en


class Evidence(Strict):
    """Where a statement comes from."""

    source: NotBlank
    confidence: Confidence


class Choice(Strict):
    label: Text
    also: tuple[str, ...] = ()


class Derivation(Evidence):
    """A fact that a valid tax id settles by the way it is written."""

    tax_id_matches: NotBlank
    value: StrictStr
    why: Text


class Fact(Strict):
    """Something about the clinic that rules ask for.

    `assume` is used, and shown, when nobody said; without it the outcome stays undetermined. `ask: false` is for what the platform itself
    settles or hardly any clinic would answer otherwise: it is not put to people on the sign-up page, but may be stated.
    """

    kind: Literal["yes_no", "choice", "number"]
    question: Text
    choices: dict[str, Choice] = {}
    assume: StrictBool | StrictInt | StrictStr | None = None
    because: Text | None = None
    ask: StrictBool = True
    derive: tuple[Derivation, ...] = ()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if (self.kind == "choice") != bool(self.choices):
            raise ValueError("`choices` belong to facts of kind `choice`, and those need them")
        if (self.assume is None) != (self.because is None):
            raise ValueError("`assume` and `because` go together: an assumption is shown with its reason")
        values = [derivation.value for derivation in self.derive] + ([] if self.assume is None else [self.assume])
        for value in values:
            if not self.accepts(value):
                raise ValueError(f"{value!r} is not a value of this fact")
        return self

    def accepts(self, value: object) -> bool:
        if self.kind == "yes_no":
            return isinstance(value, bool)
        if self.kind == "number":
            return isinstance(value, int | Decimal) and not isinstance(value, bool)
        return value in self.choices


class Rule(Evidence):
    """One sentence of law. It holds from `effective_from` to `effective_until`, both days included, where `when` holds."""

    id: RuleId
    obligation: ObligationId
    effect: Effect
    when: dict[FactName, Expected] = {}
    effective_from: date | None = None
    effective_until: date | None = None
    lock: ModuleLock | None = None
    text: Text

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.effective_from and self.effective_until and self.effective_until < self.effective_from:
            raise ValueError("effective_until is before effective_from: the rule would never hold")
        if not self.id.startswith(f"{self.obligation}."):
            raise ValueError(f"the id must be {self.obligation}.<what distinguishes this rule>")
        return self

    def in_force(self, on: date) -> bool:
        return (self.effective_from is None or self.effective_from <= on) and (self.effective_until is None or on <= self.effective_until)

    def boundaries(self) -> tuple[date, ...]:
        """The days on which the rule starts or has just stopped to hold."""
        ends = self.effective_until + timedelta(days=1) if self.effective_until else None
        return tuple(day for day in (self.effective_from, ends) if day)


class Obligation(Strict):
    """`records` names the retention under which stands what a module that meets it writes down."""

    title: Text
    records: str | None = None


class TaxIdKind(Strict):
    """A number that tax offices give out; `format` is the python-stdnum module that checks it.

    `within` is for numbers also written as part of a longer one: a regular expression whose first group is the number itself.
    """

    format: Annotated[str, Field(pattern=r"^[a-z]{2}\.[a-z]+$")]
    identifies: Literal["clinic", "person", "patient", "site"]
    label: NotBlank
    example: NotBlank
    within: str | None = None
    refuse: tuple[str, ...] = ()


class Vat(Evidence):
    """The consumption tax: its name, and how dental care is treated and coded on invoices."""

    name: NotBlank | None
    tax_code: str | None = None
    dental: Literal["exempt", "untaxed", "other"]
    basis: str | None = None
    codes: dict[str, str] = {}
    other_rates: tuple[Decimal, ...] = ()
    stamp_duty: dict[Literal["amount", "above"], Decimal] = {}
    exception: Text | None = None


class Residency(Evidence):
    """Where a clinic's data may be kept, and what the host must prove."""

    regions: tuple[NotBlank, ...]
    basis: NotBlank
    certification: str | None = None
    contract: str | None = None
    when: dict[FactName, Expected] = {}
    effective_from: date | None = None
    note: Text | None = None


class Retention(Evidence):
    """How long a kind of record is kept; `years` null means that no figure is fixed and the note says who decides."""

    years: StrictInt | None
    basis: str | None = None
    until_age: StrictInt | None = None
    note: Text | None = None

    @model_validator(mode="after")
    def _says_why_not(self) -> Self:
        if self.years is None and self.note is None:
            raise ValueError("without `years` a `note` must say who decides")
        return self


class Prohibition(Evidence):
    """A feature no module may offer here."""

    feature: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    text: Text


class Deadline(Evidence):
    """A recurring or coming duty that modules and notices work from."""

    what: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    due: str | None = None
    effective_from: date | None = None
    text: Text


class Pack(Strict):
    """A country, or a territory of one (`parent`): a territory says only what differs, and its rules replace those of the same id."""

    jurisdiction: JurisdictionId
    parent: Country | None = None
    name: Text
    checked_on: date
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    locales: tuple[Annotated[str, Field(pattern=r"^[a-z]{2}-[A-Z]{2}$")], ...] = ()
    time_zones: tuple[TimeZone, ...] = ()
    tax_ids: tuple[TaxIdKind, ...] = ()
    vat: Vat | None = None
    residency: tuple[Residency, ...] = ()
    retention: dict[str, Retention] = {}
    facts: dict[FactName, Fact] = {}
    obligations: dict[ObligationId, Obligation] = {}
    rules: tuple[Rule, ...] = ()
    forbidden_features: tuple[Prohibition, ...] = ()
    deadlines: tuple[Deadline, ...] = ()
    privacy: tuple[Prohibition, ...] = ()

    @field_validator("rules")
    @classmethod
    def _unique(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        ids = [rule.id for rule in rules]
        if twice := sorted({one for one in ids if ids.count(one) > 1}):
            raise ValueError(f"rule ids must be unique; given twice: {', '.join(twice)}")
        return rules

    @model_validator(mode="after")
    def _country_is_complete(self) -> Self:
        if self.parent is None:
            missing = [
                name
                for name in ("currency", "locales", "time_zones", "tax_ids", "vat", "residency", "retention")
                if not getattr(self, name)
            ]
            if missing:
                raise ValueError(f"a country's pack needs {', '.join(missing)}; only a territory (with `parent`) may leave them out")
        elif not self.jurisdiction.startswith(f"{self.parent}-"):
            raise ValueError(f"a territory of {self.parent} is called {self.parent}-…")
        return self

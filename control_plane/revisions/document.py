"""The revision document: all a runtime is told, and all it is ever told. Holds no secret.

The runtime has a model of its own (the JSON Schema in the release's catalogue); neither side imports the other's.
"""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from control_plane.compliance.requirements import Finding, Requirements
from control_plane.releases.catalogue import Catalogue
from control_plane.revisions.planner import ModuleSet, ReasonKind
from dentalpin_kit.canonical import digest

SCHEMA: Literal[1] = 1


class Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class TenantPart(Part):
    id: UUID
    slug: str
    name: str


class ReleasePart(Part):
    id: str
    core_version: str


class ReasonPart(Part):
    kind: ReasonKind
    by: list[str]
    text: str


class ModulePart(Part):
    name: str
    version: str
    reason: ReasonPart


class ClinicPart(Part):
    """The first clinic, made when the runtime's database has none."""

    name: str
    country: str
    territory: str | None
    timezone: str
    currency: str
    locale: str
    legal_form: str | None
    tax_id: str | None


class OwnerPart(Part):
    email: str


class ObligationPart(Part):
    id: str
    title: str
    status: str
    why: str
    source: str
    since: date | None
    met: bool
    fulfilled_by: str | None
    clinics: list[str] = []
    """Which clinics it is about, where the tenant has several."""


class CompliancePart(Part):
    country: str
    territory: str | None
    on: date
    obligations: list[ObligationPart]
    packs: dict[str, str]

    @property
    def unmet(self) -> list[ObligationPart]:
        """Required obligations nothing in the module set fulfils."""
        return [one for one in self.obligations if one.status == "required" and not one.met]


class PlatformPart(Part):
    url: str
    public_key: str


class IsolatedPart(Part):
    """The runtime is a copy of another tenant's, which sends nothing to anybody."""

    tenant_id: UUID
    of: str
    taken_at: datetime
    until: date


class DemoPart(Part):
    """The runtime demonstrates a clinic: its modules write invented records, and it sends nothing to anybody."""

    until: date
    language: Literal["en", "es"]


class PaymentsPart(Part):
    """The tenant's payments are not in order: why, what comes next once it was announced, and where to pay. No amounts."""

    state: Literal["banner", "no_new_modules", "read_only", "export_only"]
    why: Literal["unpaid", "trial_over", "ended"]
    next: Literal["no_new_modules", "read_only", "export_only", "archived"] | None = None
    next_on: date | None = None
    pay_at: str


class Digests(Part):
    identity: str
    effect: str


class RevisionContent(Part):
    """The document without its digests; `sealed` adds them."""

    schema_version: Literal[1] = Field(SCHEMA, alias="schema")
    generation: int
    tenant: TenantPart
    release: ReleasePart
    modules: list[ModulePart]
    clinic: ClinicPart
    owner: OwnerPart
    compliance: CompliancePart
    limits: dict[str, Any] = {}
    mode: Literal["normal", "read_only", "export_only"] = "normal"
    isolated: IsolatedPart | None = None
    demo: DemoPart | None = None
    payments: PaymentsPart | None = None
    platform: PlatformPart

    @property
    def identity(self) -> str:
        """Digest of everything."""
        return digest(self.dump())

    @property
    def effect(self) -> str:
        """Digest of what the runtime acts on: only a change of this rolls anything out."""
        return digest(
            {
                "tenant": str(self.tenant.id),
                "release": self.release.id,
                "modules": [[module.name, module.version] for module in self.modules],
                "mode": self.mode,
                "limits": self.limits,
                "obligations": [[one.id, one.status] for one in self.compliance.obligations],
                "public_key": self.platform.public_key,
                **({"copy_of": str(self.isolated.tenant_id)} if self.isolated else {}),
                **({"demo": self.demo.model_dump(mode="json")} if self.demo else {}),
                **({"payments": self.payments.model_dump(mode="json")} if self.payments else {}),
            }
        )

    def dump(self) -> dict[str, Any]:
        # What says nothing is left out, so that a document is written as it was before there was anything to say.
        return self.model_dump(
            mode="json", by_alias=True, exclude={name for name in ("isolated", "demo", "payments") if getattr(self, name) is None}
        )

    def sealed(self) -> dict[str, Any]:
        """The document as it is stored and delivered."""
        return {**self.dump(), "digests": {"identity": self.identity, "effect": self.effect}}

    def same_but_generation(self, other: "RevisionContent") -> bool:
        """Whether another revision says the same; the day it was planned on counts only where the law's answer differs."""
        mine, theirs = (
            one.model_copy(update={"generation": 0, "compliance": one.compliance.model_copy(update={"on": None})}) for one in (self, other)
        )
        return mine == theirs


def parse(document: dict[str, Any]) -> RevisionContent:
    """A stored document as a value."""
    return RevisionContent.model_validate(document)


def module_parts(modules: ModuleSet) -> list[ModulePart]:
    return [
        ModulePart(
            name=module.name,
            version=module.version,
            reason=ReasonPart(kind=module.reason.kind, by=list(module.reason.by), text=module.reason.text),
        )
        for module in modules.modules
    ]


def compliance_part(requirements: Requirements, modules: ModuleSet) -> CompliancePart:
    def part(finding: Finding) -> ObligationPart:
        by = modules.match.fulfilled_by.get(finding.id)
        return ObligationPart(
            id=finding.id,
            title=str(finding.title),
            status=finding.status.value,
            why=str(finding.why),
            source=finding.source,
            since=finding.since,
            met=by is not None,
            fulfilled_by=by,
            clinics=list(finding.clinics),
        )

    return CompliancePart(
        country=requirements.country,
        territory=requirements.territory,
        on=requirements.on,
        obligations=[part(finding) for finding in requirements.obligations],
        packs=dict(requirements.packs),
    )


def release_part(catalogue: Catalogue) -> ReleasePart:
    return ReleasePart(id=catalogue.release_id, core_version=catalogue.core_version)

"""Tenants as the API takes and shows them."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, StringConstraints

from control_plane.operations.models import Operation
from control_plane.operations.schemas import OperationOut
from control_plane.revisions.changes import ModuleChange, PriceChange
from control_plane.revisions.document import CompliancePart, ModulePart, ObligationPart, ReasonPart, RevisionContent
from control_plane.revisions.models import Revision
from control_plane.tenants.models import ObservedTenant, Tenant
from control_plane.tenants.states import TenantState
from dentalpin_kit.problems import ErrorClass


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must not contain control characters")
    return text


Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_printable)]
Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60), AfterValidator(_printable)]
ModuleName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
Modules = Annotated[list[ModuleName], Field(max_length=200, description="What the clinic chose; dependencies and law are added.")]
Email = Annotated[EmailStr, StringConstraints(max_length=254)]
FactValue = bool | int | Decimal | str


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewClinic(Request):
    """A further clinic of the same legal entity: where it stands, and what is true of it and not of the first."""

    key: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    name: Words | None = None
    country: Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, max_length=20)] | None = None
    territory: Short | None = None
    facts: Annotated[dict[str, FactValue], Field(max_length=50)] = {}

    def stated(self, home: str) -> dict[str, FactValue | None]:
        """Its facts; it stands in its entity's country where it names none."""
        return {**self.facts, "name": self.name, "country": self.country or home, "territory": self.territory}


class NewTenant(Request):
    name: Words
    slug: Annotated[str, StringConstraints(strip_whitespace=True, max_length=80)] | None = None
    country: Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, max_length=20)]
    territory: Short | None = None
    legal_form: Short | None = None
    tax_id: Annotated[str, StringConstraints(strip_whitespace=True, max_length=40)] | None = None
    facts: Annotated[dict[str, FactValue], Field(max_length=50)] = {}
    """Further facts the country's law asks for; `GET /v1/compliance/{country}` names them."""
    clinics: Annotated[list[NewClinic], Field(max_length=100)] = []
    """Clinics beyond the first; the law of every place holds, each rule with its clinics."""
    owner_email: Email
    modules: Modules


class ModuleChoice(Request):
    modules: Modules


class InvitationRequest(Request):
    owner_email: Email | None = None


class ModuleOut(BaseModel):
    name: str
    version: str
    reason: ReasonPart

    @classmethod
    def of(cls, module: ModulePart) -> "ModuleOut":
        return cls(name=module.name, version=module.version, reason=module.reason)


class ComplianceOut(CompliancePart):
    unmet_obligations: list[ObligationPart] = Field(serialization_alias="unmet")

    @classmethod
    def show(cls, part: CompliancePart) -> "ComplianceOut":
        return cls(**part.model_dump(), unmet_obligations=part.unmet)


class DesiredOut(BaseModel):
    revision: int
    release: str
    core_version: str
    modules: list[ModuleOut]
    compliance: ComplianceOut
    mode: str
    identity: str
    effect: str

    @classmethod
    def of(cls, revision: Revision, content: RevisionContent) -> "DesiredOut":
        return cls(
            revision=revision.generation,
            release=content.release.id,
            core_version=content.release.core_version,
            modules=[ModuleOut.of(module) for module in content.modules],
            compliance=ComplianceOut.show(content.compliance),
            mode=content.mode,
            identity=revision.identity,
            effect=revision.effect,
        )


class ObservedModule(BaseModel):
    name: str
    version: str | None
    state: str
    heads: list[str]
    mounted: bool
    error: str | None


class ObservedOut(BaseModel):
    """What the runtime last proved about itself; `status` is what the deployer saw since."""

    status: str
    revision: int | None
    release: str | None
    core_version: str | None
    identity: str | None
    effect: str | None
    healthy: bool
    as_asked: bool
    modules: list[ObservedModule]
    not_as_asked: list[dict[str, Any]]
    owner_claimed: bool
    reason: str | None
    attested_at: datetime | None
    observed_at: datetime

    @classmethod
    def of(cls, seen: ObservedTenant) -> "ObservedOut":
        words = seen.attestation or {}
        return cls(
            status=seen.status,
            revision=seen.generation,
            release=words.get("release_id"),
            core_version=words.get("core_version"),
            identity=seen.identity,
            effect=seen.effect,
            healthy=bool(words.get("healthy")),
            as_asked=bool(words.get("as_asked")),
            modules=[ObservedModule.model_validate(module) for module in words.get("modules", [])],
            not_as_asked=words.get("not_as_asked", []),
            owner_claimed=bool(words.get("owner_claimed")),
            reason=seen.reason,
            attested_at=seen.attested_at,
            observed_at=seen.observed_at,
        )


class FinalDump(BaseModel):
    """The last copy of a deleted clinic: where it is in the object store, until when it is kept, and why."""

    path: str
    until: date | None
    reason: str | None


SUMMED_UP: Final = (
    Tenant.id,
    Tenant.slug,
    Tenant.name,
    Tenant.country,
    Tenant.state,
    Tenant.state_reason,
    Tenant.state_error_class,
    Tenant.url,
    Tenant.created_at,
)
"""All that a list needs of a tenant's row, which is a wide one."""


class TenantSummary(BaseModel):
    id: UUID
    slug: str
    name: str
    country: str
    state: TenantState
    reason: str | None
    error_class: ErrorClass | None
    """Who can mend what `reason` says: `user`, `us` or `temporary`."""
    url: str | None
    created_at: datetime

    @classmethod
    def of(cls, tenant: Tenant) -> "TenantSummary":
        return cls(
            id=tenant.id,
            slug=tenant.slug,
            name=tenant.name,
            country=tenant.country,
            state=tenant.state,
            reason=tenant.state_reason,
            error_class=tenant.state_error_class,
            url=tenant.url,
            created_at=tenant.created_at,
        )


class TenantList(BaseModel):
    items: list[TenantSummary]
    next: str | None
    """Pass as `after` for the following page; null on the last."""


class TenantOut(TenantSummary):
    state_since: datetime
    deadline: datetime | None
    delete_after: datetime | None
    """While its deletion can be undone: until when."""
    deletion_protected: bool
    territory: str | None
    legal_form: str | None
    tax_id: str | None
    facts: dict[str, FactValue]
    owner_email: str
    chosen: list[str]
    desired: DesiredOut
    compliance: ComplianceOut
    """What the law asks today of what is desired; `desired.compliance` is what it was planned with."""
    observed: ObservedOut | None
    in_sync: bool
    """Whether the runtime proved to run what is desired, by effect."""
    operation: OperationOut | None
    """The last one begun, invitations included."""
    final_dump: FinalDump | None

    @classmethod
    def show(
        cls,
        tenant: Tenant,
        revision: Revision,
        content: RevisionContent,
        law: CompliancePart,
        seen: ObservedTenant | None,
        last: Operation | None,
    ) -> "TenantOut":
        dump = None
        if tenant.final_dump is not None:
            dump = FinalDump(path=tenant.final_dump, until=tenant.final_dump_until, reason=tenant.final_dump_reason)
        observed = ObservedOut.of(seen) if seen else None
        return cls(
            **TenantSummary.of(tenant).model_dump(),
            state_since=tenant.state_since,
            deadline=tenant.state_deadline,
            delete_after=tenant.delete_after,
            deletion_protected=tenant.deletion_protected,
            territory=tenant.territory,
            legal_form=tenant.legal_form,
            tax_id=tenant.tax_id,
            facts=tenant.facts,
            owner_email=tenant.owner_email,
            chosen=tenant.chosen,
            desired=DesiredOut.of(revision, content),
            compliance=ComplianceOut.show(law),
            observed=observed,
            in_sync=bool(observed and observed.effect == revision.effect and observed.healthy and observed.as_asked),
            operation=OperationOut.of(last, tenant.slug) if last else None,
            final_dump=dump,
        )


class StartedOut(BaseModel):
    """A tenant and the operation that was begun for it; none where nothing had to be done."""

    tenant: TenantOut
    operation: OperationOut | None


class ModulesOut(StartedOut):
    """What was begun, and what it costs."""

    price: PriceChange


class PlanOut(BaseModel):
    """What would change and why. Nothing was written."""

    slug: str
    same: bool
    """Whether asking for exactly this would start no operation."""
    release: str
    release_changes: bool
    modules: list[ModuleOut]
    install: list[ModuleChange]
    remove: list[ModuleChange]
    upgrade: list[ModuleChange]
    """Another version than before; `action` says whether it is newer."""
    keep: list[ModuleChange]
    price: PriceChange
    compliance: ComplianceOut

    @classmethod
    def of(
        cls, tenant: Tenant, content: RevisionContent, *, same: bool, release_changes: bool, changes: list[ModuleChange], price: PriceChange
    ) -> "PlanOut":
        return cls(
            slug=tenant.slug,
            same=same,
            release=content.release.id,
            release_changes=release_changes,
            modules=[ModuleOut.of(module) for module in content.modules],
            install=[change for change in changes if change.action == "install"],
            remove=[change for change in changes if change.action == "remove"],
            upgrade=[change for change in changes if change.action in ("upgrade", "downgrade")],
            keep=[change for change in changes if change.action == "keep"],
            price=price,
            compliance=ComplianceOut.show(content.compliance),
        )

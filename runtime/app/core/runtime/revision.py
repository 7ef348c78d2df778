"""The revision document: the whole contract between the platform and one runtime, read from the file a process is started with.

The platform has a model of its own; both follow the JSON Schema in the release's catalogue. Fields unknown here are kept for the
digest and ignored otherwise, so that a platform may be ahead of a runtime.
"""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PrivateAttr, ValidationError

from app.core.runtime.errors import RevisionUnreadable
from app.core.runtime.raw_revision import identity_of, read_raw

SCHEMA = 1

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
ModuleName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=80)]
Mode = Literal["normal", "read_only", "export_only"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class TenantPart(_Part):
    id: UUID
    slug: str
    name: str


class ReleasePart(_Part):
    id: Digest
    core_version: str


class Reason(_Part):
    """Why a module is in the set; `by` names the modules or rules that ask for it."""

    kind: Literal["chosen", "needed_by", "required_by_law"]
    by: tuple[str, ...] = ()
    text: str = ""


class RevisionModule(_Part):
    name: ModuleName
    version: str
    reason: Reason


class ClinicPart(_Part):
    """The first clinic, made when the database has none; later changes are the clinic's own."""

    name: str = Field(min_length=1, max_length=200)
    country: str = Field(pattern=r"^[A-Z]{2}$")
    territory: str | None = None
    timezone: str
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    locale: str
    legal_form: str | None = None
    tax_id: str | None = None


class OwnerPart(_Part):
    email: str = Field(min_length=3, max_length=254)


class Obligation(_Part):
    id: str
    status: Literal["required", "allowed", "forbidden", "undetermined"]
    met: bool
    fulfilled_by: JsonValue = None


class CompliancePart(_Part):
    country: str
    territory: str | None = None
    on: date
    obligations: tuple[Obligation, ...] = ()
    packs: dict[str, str] = Field(default_factory=dict)


class PlatformPart(_Part):
    url: str
    public_key: str = Field(description="Raw Ed25519 public key, base64url without padding")


class IsolatedPart(_Part):
    """The runtime is a copy of another tenant's, made from a backup: it sends nothing to anybody, and it is deleted after `until`."""

    tenant_id: UUID = Field(description="Of the tenant it was copied from")
    of: str
    taken_at: datetime
    until: date


class DemoPart(_Part):
    """The runtime demonstrates a clinic: modules write invented records, nothing is sent to anybody, and it is deleted after `until`."""

    until: date
    language: Literal["en", "es"] = Field(description="Of the invented records")


class PaymentsPart(_Part):
    """The clinic's payments are not in order. `mode` says what works meanwhile; this says why, what comes next, and where to pay."""

    state: Literal["banner", "no_new_modules", "read_only", "export_only"]
    why: Literal["unpaid", "trial_over", "ended"] = Field(
        description="An invoice is owed, or a trial or an agreement ended and nothing was agreed after it"
    )
    next: Literal["no_new_modules", "read_only", "export_only", "archived"] | None = None
    next_on: date | None = Field(None, description="The day `next` comes, once its owner was told")
    pay_at: str = Field(description="Where the owner settles it")


class Digests(_Part):
    identity: Digest
    effect: Digest


class RevisionDocument(_Part):
    """What one tenant must run. Modules stand in order, dependencies first. Holds no secret."""

    schema_version: Literal[1] = Field(alias="schema")
    generation: int = Field(ge=1)
    tenant: TenantPart
    release: ReleasePart
    modules: tuple[RevisionModule, ...]
    clinic: ClinicPart
    owner: OwnerPart
    compliance: CompliancePart
    limits: dict[str, JsonValue] = Field(default_factory=dict)
    mode: Mode = "normal"
    isolated: IsolatedPart | None = None
    demo: DemoPart | None = None
    payments: PaymentsPart | None = None
    platform: PlatformPart
    digests: Digests

    _raw: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def raw(self) -> dict[str, Any]:
        """The document as it was given, unknown fields included: what is kept in core_revision."""
        return self._raw

    @property
    def module_names(self) -> tuple[str, ...]:
        return tuple(module.name for module in self.modules)

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Self:
        """The document in this JSON object. Raises RevisionUnreadable, naming the field, also when its identity is not its digest."""
        try:
            document = cls.model_validate(raw)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the document"
            raise RevisionUnreadable(f"the revision cannot be used: {place}: {first['msg']}. The platform must issue it again") from error
        if document.digests.identity != identity_of(raw):
            raise RevisionUnreadable(
                "the revision was changed after it was issued: its identity is not its digest. Deliver it again unchanged"
            )
        names = document.module_names
        if len(set(names)) != len(names):
            raise RevisionUnreadable("the revision names a module twice. The platform must issue it again")
        document._raw = raw
        return document

    @classmethod
    def read(cls, file: Path) -> Self:
        """The document in this file. Raises RevisionUnreadable."""
        return cls.of(read_raw(file))


def json_schema() -> dict[str, Any]:
    """The document's JSON Schema, as the release's catalogue carries it."""
    return RevisionDocument.model_json_schema(by_alias=True)

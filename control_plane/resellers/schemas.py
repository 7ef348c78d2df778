"""Resellers as the API takes and shows them. Amounts and percents are decimals in strings."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AnyHttpUrl, AwareDatetime, BaseModel, Field, StringConstraints, model_validator

from control_plane.access.models import Account, Reseller
from control_plane.languages import Language
from control_plane.plans.tariff import Key
from control_plane.resellers.models import Brand, ResellerTerms, TenantTransfer
from control_plane.resellers.pricing import Price
from control_plane.resellers.states import TransferState
from control_plane.resellers.terms import Payer, Terms
from control_plane.tenants.models import Tenant
from control_plane.tenants.schemas import Email, ModuleName, NewTenant, Request, Words
from control_plane.tenants.states import TenantState

Percent = Annotated[Decimal, Field(ge=0, le=100, max_digits=5, decimal_places=2)]
Amount = Annotated[Decimal, Field(ge=0, max_digits=9, decimal_places=2)]
Item = Annotated[str, Field(pattern=r"^(plan|module)\.[a-z][a-z0-9_]{0,39}$")]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Slug = Annotated[str, StringConstraints(strip_whitespace=True, max_length=80)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=400)]


class NewTerms(Request):
    """What was agreed. Null is no ceiling; regions and modules that are left out are all there are."""

    valid_from: AwareDatetime | None = Field(None, description="Left out, or past: from now on. Terms are never backdated.")
    max_tenants: Annotated[int, Field(ge=0, le=100_000)] | None = 10
    max_demos: Annotated[int, Field(ge=0, le=1000)] | None = Field(3, description="Demonstrations at a time.")
    modules: Annotated[list[ModuleName], Field(max_length=200)] | None = None
    regions: Annotated[list[Annotated[str, Field(max_length=40)]], Field(max_length=50)] | None = None
    wholesale_percent: Percent = Field(Decimal("100.00"), description="The least a clinic is asked, as a part of the tariff's prices.")
    commission_percent: Percent = Field(Decimal("0.00"), description="Of the net amount a clinic paid.")
    note: Note = ""


class TermsOut(BaseModel):
    valid_from: datetime | None = Field(description="Null: nothing was agreed yet, and the product's own terms hold.")
    max_tenants: int | None
    max_demos: int | None
    modules: list[str] | None
    regions: list[str] | None
    wholesale_percent: Decimal
    commission_percent: Decimal
    note: str

    @classmethod
    def of(cls, terms: Terms, row: ResellerTerms | None) -> "TermsOut":
        return cls(
            valid_from=row.valid_from if row else None,
            max_tenants=terms.max_tenants,
            max_demos=terms.max_demos,
            modules=None if terms.modules is None else sorted(terms.modules),
            regions=None if terms.regions is None else sorted(terms.regions),
            wholesale_percent=terms.wholesale_percent,
            commission_percent=terms.commission_percent,
            note=row.note if row else "",
        )


class TermsList(BaseModel):
    items: list[TermsOut]
    next: str | None


class Correspondence(Request):
    billing_email: Email | None = Field(None, description="Where invoices go that it pays itself; left out: to its first administrator.")
    language: Language = Field("en", description="Of its statements, its invoices and its mails.")


class NewReseller(Request):
    name: Words
    slug: Slug | None = Field(None, description="Of its own sign-up page, /r/{slug}.")
    correspondence: Correspondence = Correspondence()
    terms: NewTerms = NewTerms()


class ResellerOut(BaseModel):
    id: UUID
    name: str
    slug: str | None
    billing_email: str | None
    language: Language
    created_at: datetime

    @classmethod
    def of(cls, reseller: Reseller) -> "ResellerOut":
        return cls(
            id=reseller.id,
            name=reseller.name,
            slug=reseller.slug,
            billing_email=reseller.billing_email,
            language=reseller.language,
            created_at=reseller.created_at,
        )


class ResellerList(BaseModel):
    items: list[ResellerOut]
    next: str | None


class Used(BaseModel):
    """How much of the ceilings is taken."""

    tenants: int
    demos: int


class ResellerDetail(ResellerOut):
    terms: TermsOut
    used: Used
    page: str | None = Field(description="The address of its sign-up page.")


class PriceBookIn(Request):
    """Its own prices, whole: what is left out costs what the tariff says."""

    prices: Annotated[dict[Item, dict[Currency, Amount]], Field(max_length=300)]


class PriceOut(BaseModel):
    item: str
    currency: str
    listed: Decimal = Field(description="What the tariff says.")
    floor: Decimal = Field(description="The wholesale price: the least it may ask, and what it pays where it pays itself.")
    own: Decimal | None
    asked: Decimal = Field(description="What its clinics are charged: its own price or the tariff's, and never less than the floor.")

    @classmethod
    def of(cls, price: Price) -> "PriceOut":
        return cls(**{name: getattr(price, name) for name in cls.model_fields})


class PriceBookOut(BaseModel):
    tariff: str
    made_at: datetime | None
    items: list[PriceOut]


class BrandChange(Request):
    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
    colour: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$", description="Of links, and of buttons with white text.")]
    support_email: Email | None = None
    website: Annotated[AnyHttpUrl, Field(max_length=300)] | None = None
    slug: Slug | None = None
    logo: Annotated[str, Field(max_length=140_000, description="A PNG in base64. Left out: as it was; empty: none.")] | None = None


class BrandOut(BaseModel):
    title: str
    colour: str
    support_email: str | None
    website: str | None
    slug: str | None
    logo: str | None = Field(description="The SHA-256 of the picture.")
    updated_at: datetime | None

    @classmethod
    def of(cls, reseller: Reseller, brand: Brand | None) -> "BrandOut":
        if brand is None:
            return cls(
                title=reseller.name[:80], colour="#0b6e4f", support_email=None, website=None, slug=reseller.slug, logo=None, updated_at=None
            )
        return cls(
            title=brand.title,
            colour=brand.colour,
            support_email=brand.support_email,
            website=brand.website,
            slug=reseller.slug,
            logo=brand.logo_digest,
            updated_at=brand.updated_at,
        )


class StaffMember(Request):
    email: Email
    name: Words
    role: Literal["admin", "staff"] = "staff"


class StaffOut(BaseModel):
    id: UUID
    email: str
    name: str
    role: str
    created_at: datetime
    disabled_at: datetime | None

    @classmethod
    def of(cls, account: Account) -> "StaffOut":
        return cls(
            id=account.id,
            email=account.email,
            name=account.name,
            role=account.role.value,
            created_at=account.created_at,
            disabled_at=account.disabled_at,
        )


class HiredOut(StaffOut):
    invitation: str | None = Field(
        description="Pass it on: with `POST /v1/session/password` it sets a password, once, within seven days. Shown this once."
    )


class StaffList(BaseModel):
    items: list[StaffOut]
    next: str | None


class NewCustomer(NewTenant):
    """A clinic a reseller opens for a customer of its own; its owner is invited by mail and may end the reseller's access."""

    payer: Payer = Payer.CLINIC
    plan: Key | None = Field(None, description="Agreed on at once; left out: nobody pays until somebody agrees.")
    currency: Currency | None = Field(None, description="Of the agreement; left out: that of the clinic's country.")
    trial_days: Annotated[int, Field(ge=0, le=365)] | None = Field(None, description="Left out: as many as the tariff offers.")

    @model_validator(mode="after")
    def _nothing_without_a_plan(self) -> Self:
        if self.plan is None and (self.currency is not None or self.trial_days is not None):
            raise ValueError("`currency` and `trial_days` belong to a plan: name one")
        return self

    def clinic(self) -> NewTenant:
        return NewTenant(**self.model_dump(include=set(NewTenant.model_fields)))


class CustomerOut(BaseModel):
    """A tenant that is the reseller's customer. Without a grant the reseller sees no more of it than this."""

    tenant_id: UUID
    slug: str
    name: str
    state: TenantState
    payer: Payer
    since: datetime
    granted: bool = Field(description="Whether the clinic lets the reseller work on it.")


class CustomerList(BaseModel):
    items: list[CustomerOut]
    next: str | None


class NewTransfer(Request):
    to: UUID | None = Field(None, description="The reseller it goes to; null: the clinic becomes a direct customer of the platform.")
    payer: Payer = Field(Payer.CLINIC, description="Who pays afterwards.")


class NewHandover(NewTransfer):
    tenant: Annotated[str, Field(max_length=40)]
    """Its slug."""


class Answer(Request):
    """`party` and `note` are for operators, who answer for somebody that cannot; the note says why, and goes into the audit."""

    party: Literal["clinic", "giving", "taking"] | None = None
    note: Note | None = None


class ConsentOut(BaseModel):
    party: str
    agreed_by: str | None
    agreed_at: datetime | None


class TransferOut(BaseModel):
    id: UUID
    tenant: str
    giving: UUID | None
    taking: UUID | None
    payer: Payer
    state: TransferState
    reason: str | None
    asked_by: str
    created_at: datetime
    expires_at: datetime
    closed_at: datetime | None
    consents: list[ConsentOut] = Field(description="Of everybody whose agreement it needs.")

    @classmethod
    def of(cls, transfer: TenantTransfer, tenant: Tenant, parties: list[str]) -> "TransferOut":
        given = transfer.consents
        return cls(
            id=transfer.id,
            tenant=tenant.slug,
            giving=transfer.giving_id,
            taking=transfer.taking_id,
            payer=transfer.payer,
            state=transfer.state,
            reason=transfer.reason,
            asked_by=transfer.asked_by,
            created_at=transfer.created_at,
            expires_at=transfer.expires_at,
            closed_at=transfer.closed_at,
            consents=[
                ConsentOut(party=party, agreed_by=given.get(party, {}).get("by"), agreed_at=given.get(party, {}).get("at"))
                for party in parties
            ],
        )


class TransferList(BaseModel):
    items: list[TransferOut]
    next: str | None

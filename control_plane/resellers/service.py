"""Resellers, what was agreed with them, what they ask of their clinics and how they look. In the caller's transaction."""

import base64
import binascii
import hashlib
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access import accounts
from control_plane.access.actors import Actor
from control_plane.access.errors import AccountExists, UnknownAccount, UnknownReseller
from control_plane.access.models import Account, Reseller
from control_plane.access.scopes import Kind, Role
from control_plane.audit import service as audit
from control_plane.plans import Tariff
from control_plane.resellers.branding import check_colour, check_logo
from control_plane.resellers.errors import LogoUnusable, ResellerSlugTaken
from control_plane.resellers.models import Brand, PriceBook, ResellerTerms
from control_plane.resellers.pricing import NOTHING, Prices, check_prices, retail, wholesale
from control_plane.resellers.schemas import BrandChange, Correspondence, NewTerms, StaffMember
from control_plane.resellers.terms import PRODUCTS_OWN, Payer, Terms
from control_plane.tenants import slugs
from control_plane.tenants.errors import InvalidSlug
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState


async def find(session: AsyncSession, reseller_id: UUID, *, lock: bool = False) -> Reseller:
    """Raises UnknownReseller."""
    reseller = await session.get(Reseller, reseller_id, with_for_update=lock or None, populate_existing=lock)
    if reseller is None:
        raise UnknownReseller(reseller_id)
    return reseller


async def own(session: AsyncSession, reseller_id: UUID, actor: Actor, *, lock: bool = False) -> Reseller:
    """The reseller, for its own people and for operators. Raises UnknownReseller: whether there is another one is nobody's business."""
    if not actor.sees_all and actor.reseller_id != reseller_id:
        raise UnknownReseller(reseller_id)
    return await find(session, reseller_id, lock=lock)


async def create(
    session: AsyncSession,
    name: str,
    slug: str | None,
    terms: NewTerms,
    *,
    correspondence: Correspondence | None = None,
    actor: Actor,
    at: datetime,
) -> Reseller:
    """A reseller with its terms. Raises ResellerExists, ResellerSlugTaken, InvalidSlug."""
    reseller = await accounts.create_reseller(session, name, at=at)
    if correspondence is not None:
        reseller.billing_email = str(correspondence.billing_email) if correspondence.billing_email else None
        reseller.language = correspondence.language
    if slug is not None:
        await name_page(session, reseller, slug)
    audit.record(session, actor, "reseller.created", at=at, reseller=str(reseller.id), name=reseller.name)
    await agree(session, reseller, terms, actor=actor, at=at)
    return reseller


async def name_page(session: AsyncSession, reseller: Reseller, slug: str) -> None:
    """Give its sign-up page an address. Raises InvalidSlug, ResellerSlugTaken."""
    if why := slugs.why_invalid(slug):
        raise InvalidSlug(slug, why, slugs.slug_of(slug))
    if await session.scalar(select(Reseller.id).where(Reseller.slug == slug, Reseller.id != reseller.id)) is not None:
        raise ResellerSlugTaken(slug)
    reseller.slug = slug
    await session.flush()


async def agree(session: AsyncSession, reseller: Reseller, new: NewTerms, *, actor: Actor, at: datetime) -> ResellerTerms:
    """Record what was agreed, from now or from a later moment on."""
    values = new.model_dump(exclude={"valid_from"})
    row = ResellerTerms(reseller_id=reseller.id, valid_from=max(at, new.valid_from or at), created_at=at, created_by=actor.label, **values)
    session.add(row)
    await session.flush()
    agreed = {"valid_from": row.valid_from.isoformat(), **new.model_dump(mode="json", exclude={"valid_from"})}
    audit.record(session, actor, "reseller.terms_agreed", at=at, reseller=str(reseller.id), terms=agreed)
    return row


async def terms_row(session: AsyncSession, reseller_id: UUID, *, at: datetime) -> ResellerTerms | None:
    in_force = select(ResellerTerms).where(ResellerTerms.reseller_id == reseller_id, ResellerTerms.valid_from <= at)
    found: ResellerTerms | None = await session.scalar(
        in_force.order_by(ResellerTerms.valid_from.desc(), ResellerTerms.number.desc()).limit(1)
    )
    return found


async def terms_of(session: AsyncSession, reseller_id: UUID, *, at: datetime) -> Terms:
    """What holds at a moment, past or coming; the product's own where nothing was agreed."""
    row = await terms_row(session, reseller_id, at=at)
    return row.value if row is not None else PRODUCTS_OWN


async def price_book(session: AsyncSession, reseller_id: UUID) -> PriceBook | None:
    newest = select(PriceBook).where(PriceBook.reseller_id == reseller_id).order_by(PriceBook.number.desc()).limit(1)
    found: PriceBook | None = await session.scalar(newest)
    return found


def prices_in(book: PriceBook | None) -> Prices:
    if book is None:
        return NOTHING
    return {item: {currency: Decimal(amount) for currency, amount in prices.items()} for item, prices in book.prices.items()}


async def set_prices(session: AsyncSession, reseller: Reseller, tariff: Tariff, own: Prices, *, actor: Actor, at: datetime) -> PriceBook:
    """A new price book, whole; the one before stays with what was agreed by it. Raises UnknownItem, BelowFloor."""
    check_prices(tariff, await terms_of(session, reseller.id, at=at), own)
    written = {item: {currency: str(amount) for currency, amount in sorted(prices.items())} for item, prices in sorted(own.items())}
    book = PriceBook(reseller_id=reseller.id, tariff=tariff.id, prices=written, created_at=at, created_by=actor.label)
    session.add(book)
    await session.flush()
    audit.record(session, actor, "reseller.prices_set", at=at, reseller=str(reseller.id), tariff=tariff.id, prices=written)
    return book


async def tariff_for(session: AsyncSession, tariff: Tariff, reseller_id: UUID, payer: Payer, *, at: datetime) -> Tariff:
    """The tariff somebody is charged by for a tenant of this reseller: the clinic by its prices, the reseller by the wholesale ones."""
    terms = await terms_of(session, reseller_id, at=at)
    if payer is Payer.RESELLER:
        return wholesale(tariff, terms)
    return retail(tariff, terms, prices_in(await price_book(session, reseller_id)))


async def brand_of(session: AsyncSession, reseller_id: UUID) -> Brand | None:
    return await session.get(Brand, reseller_id)


async def set_brand(session: AsyncSession, reseller: Reseller, change: BrandChange, *, actor: Actor, at: datetime) -> Brand:
    """Raises ContrastTooLow, LogoUnusable, InvalidSlug, ResellerSlugTaken."""
    check_colour(change.colour)
    logo = _logo(change.logo) if change.logo else None
    if change.slug is not None:
        await name_page(session, reseller, change.slug)
    brand = await session.get(Brand, reseller.id, with_for_update=True) or Brand(reseller_id=reseller.id)
    brand.title, brand.colour = change.title, change.colour.lower()
    brand.support_email = str(change.support_email) if change.support_email else None
    brand.website = str(change.website) if change.website else None
    brand.updated_at = at
    if logo is not None or change.logo == "":
        brand.logo, brand.logo_digest = logo, hashlib.sha256(logo).hexdigest() if logo else None
    session.add(brand)
    await session.flush()
    looks = {"title": brand.title, "colour": brand.colour, "logo": brand.logo_digest, "slug": reseller.slug}
    audit.record(session, actor, "reseller.branded", at=at, reseller=str(reseller.id), brand=looks)
    return brand


def _logo(text: str) -> bytes:
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise LogoUnusable("it is not written in base64") from error
    check_logo(content)
    return content


async def hire(session: AsyncSession, reseller: Reseller, new: StaffMember, *, actor: Actor, at: datetime) -> Account:
    """An account of the reseller's staff. Raises AccountExists, RoleUnfit."""
    role = Role.ADMIN if new.role == "admin" else Role.STAFF
    address = str(new.email).lower()
    owns = select(Tenant.id).where(func.lower(Tenant.owner_email) == address, Tenant.state != TenantState.DELETED)
    if await session.scalar(owns.limit(1)) is not None:
        # An address has one account: as a reseller's staff its person could not reach the clinic any more.
        raise AccountExists(address)
    account = await accounts.create_account(
        session, kind=Kind.RESELLER, role=role, email=str(new.email), name=new.name, reseller_id=reseller.id, at=at
    )
    audit.record(session, actor, "account.created", at=at, tenant_id=None, account=str(account.id), email=account.email, role=role.value)
    return account


async def staff_member(session: AsyncSession, reseller: Reseller, account_id: UUID) -> Account:
    """The account, locked. Raises UnknownAccount for one that is not of this reseller."""
    query = select(Account).where(Account.id == account_id, Account.reseller_id == reseller.id).with_for_update()
    account = await session.scalar(query)
    if account is None:
        raise UnknownAccount(account_id)
    return account

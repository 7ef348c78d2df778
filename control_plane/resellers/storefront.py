"""A reseller's own sign-up page: /r/{storefront}, the platform's form with the reseller's name, colour, logo and prices."""

import re
from dataclasses import dataclass
from typing import ClassVar, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.access.models import Reseller
from control_plane.errors import NotFound
from control_plane.plans import service as plans
from control_plane.plans.tariff import Tariff
from control_plane.platform import Platform
from control_plane.resellers import opening, service
from control_plane.resellers.schemas import BrandOut
from control_plane.resellers.terms import Payer
from control_plane.tenants.models import Tenant

COLOUR: Final = re.compile(r"#[0-9a-f]{6}")


class UnknownStorefront(NotFound):
    code: ClassVar[str] = "unknown_storefront"

    def __init__(self, slug: str) -> None:
        super().__init__(f"Nobody signs clinics up at /r/{slug}. Ask whoever gave you the address, or use /signup.")


@dataclass(frozen=True, slots=True)
class Storefront:
    reseller_id: UUID
    slug: str
    title: str
    colour: str
    logo: str | None
    """Digest of the picture, where there is one."""
    support_email: str | None
    website: str | None

    @property
    def sheet(self) -> str:
        """The style sheet that makes the pages the reseller's; its colour was checked against white when it was set."""
        assert COLOUR.fullmatch(self.colour)  # it goes into a style sheet as it is
        return f":root {{ --accent: {self.colour}; --accent-deep: {self.colour}; }}\n"


async def find(session: AsyncSession, slug: str) -> Storefront:
    """Raises UnknownStorefront."""
    reseller = await session.scalar(select(Reseller).where(Reseller.slug == slug))
    if reseller is None:
        raise UnknownStorefront(slug)
    brand = BrandOut.of(reseller, await service.brand_of(session, reseller.id))
    return Storefront(reseller.id, slug, brand.title, brand.colour, brand.logo, brand.support_email, brand.website)


async def sold(session: AsyncSession, platform: Platform, slug: str) -> tuple[Storefront | None, Tariff]:
    """What a form is filled from: the reseller it belongs to, if any, and what is asked there. Raises UnknownStorefront."""
    tariff = await plans.current(session, platform.clock.today())
    if not slug:
        return None, tariff
    shop = await find(session, slug)
    return shop, await service.tariff_for(session, tariff, shop.reseller_id, Payer.CLINIC, at=platform.clock.now())


async def refuse_full(session: AsyncSession, platform: Platform, slug: str, modules: list[str]) -> None:
    """Before anybody types a card: raises UnknownStorefront, TooManyTenants and ModulesBeyondCeiling. Decided again when it is opened."""
    if not slug:
        return
    shop = await find(session, slug)
    reseller = await service.find(session, shop.reseller_id)
    terms = await service.terms_of(session, reseller.id, at=platform.clock.now())
    terms.refuse_tenants(reseller.name, (await opening.used(session, reseller.id)).tenants)
    terms.refuse_modules(reseller.name, modules)


async def signed_up(session: AsyncSession, platform: Platform, slug: str, tenant: Tenant, *, actor: Actor) -> None:
    """A clinic that was opened from a reseller's page is its customer. Raises UnknownStorefront, and the reseller's ceilings."""
    if slug:
        shop = await find(session, slug)
        await opening.take_in(session, shop.reseller_id, tenant, actor=actor, at=platform.clock.now())

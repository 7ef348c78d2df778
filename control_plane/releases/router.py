"""/v1/modules: what can be chosen. /v1/releases: what the runtime's environment holds."""

from datetime import datetime
from decimal import Decimal

from fastapi import APIRouter
from pydantic import BaseModel

from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.audit import service as audit
from control_plane.prices import PriceList
from control_plane.releases import service
from control_plane.releases.catalogue import Catalogue, CatalogueModule
from control_plane.releases.describe import describe
from control_plane.releases.models import Release

router = APIRouter(tags=["modules"], route_class=PlatformRoute)


class Price(BaseModel):
    """Net, a month."""

    amount: Decimal
    currency: str


class ModuleOut(CatalogueModule):
    usable: bool
    why_not: str | None
    price: Price


class CatalogueOut(BaseModel):
    release: str
    core_version: str
    base_price: Price
    modules: list[ModuleOut]
    unusable: dict[str, str]
    """Packages that are there and cannot be loaded, and why."""

    @classmethod
    def of(cls, catalogue: Catalogue, prices: PriceList) -> "CatalogueOut":
        usable = catalogue.usable()
        modules = [
            ModuleOut(
                **module.model_dump(),
                usable=name in usable,
                why_not=None if name in usable else _why_not(catalogue, module),
                price=Price(amount=prices.of(name), currency=prices.currency),
            )
            for name, module in catalogue.modules.items()
        ]
        base = Price(amount=prices.base, currency=prices.currency)
        return cls(
            release=catalogue.release_id,
            core_version=catalogue.core_version,
            base_price=base,
            modules=modules,
            unusable=dict(catalogue.unusable),
        )


class ReleaseOut(BaseModel):
    id: str
    core_version: str
    registered_at: datetime
    modules: dict[str, str]

    @classmethod
    def of(cls, release: Release) -> "ReleaseOut":
        versions = {name: module.version for name, module in service.catalogue_of(release).modules.items()}
        return cls(id=release.id, core_version=release.core_version, registered_at=release.registered_at, modules=versions)


def _why_not(catalogue: Catalogue, module: CatalogueModule) -> str:
    return catalogue.why_not_installable(module) or "a module it depends on is missing or cannot be installed"


@router.get("/modules")
async def list_modules(session: Session, actor: CurrentActor, platform: ThisPlatform) -> CatalogueOut:
    """The modules of the newest release, with their prices."""
    return CatalogueOut.of(service.catalogue_of(await service.newest(session)), platform.prices)


@router.get("/releases/newest")
async def newest_release(session: Session, actor: CurrentActor) -> ReleaseOut:
    return ReleaseOut.of(await service.newest(session))


@router.post("/releases/refresh")
async def refresh(session: Session, actor: CurrentActor, platform: ThisPlatform) -> ReleaseOut:
    """Read the runtime's environment again, after a distribution was installed into it or taken out."""
    now = platform.clock.now()
    async with platform.reading:
        release_id, document = await describe(platform.settings.environment)
        release = await service.register(session, release_id, document, at=now)
    audit.record(session, actor, "release.refreshed", at=now, release=release.id)
    return ReleaseOut.of(release)

"""/v1/modules: what can be chosen. /v1/releases: the versions of the runtime there are, and which tenants may get them."""

from pathlib import Path as Folder
from typing import Annotated

from fastapi import APIRouter, Path, Response
from sqlalchemy import select

from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.audit import service as audit
from control_plane.deployers.base import IMAGE
from control_plane.pagination import WantedPage, page
from control_plane.plans import service as plans
from control_plane.releases import service
from control_plane.releases.describe import describe, read_description
from control_plane.releases.models import Release
from control_plane.releases.schemas import CatalogueOut, ChannelChoice, NewRelease, ReleaseList, ReleaseOut, Yank

router = APIRouter(tags=["modules"], route_class=PlatformRoute)

ReleaseId = Annotated[str, Path(max_length=80, description="sha256:… as `dentalpin release describe` digests to")]


@router.get("/modules", dependencies=[Requires("releases:read", own=True)])
async def list_modules(session: Session, actor: CurrentActor, platform: ThisPlatform) -> CatalogueOut:
    """The modules of the newest release, with what they cost a month by today's tariff; a tenant's own price is in its billing."""
    catalogue = service.catalogue_of(await service.newest(session, service.Offer.of(platform)))
    return CatalogueOut.of(catalogue, await plans.current(session, platform.clock.today()))


@router.get("/releases", tags=["releases"], dependencies=[Requires("releases:read")])
async def list_releases(session: Session, actor: CurrentActor, wanted: WantedPage) -> ReleaseList:
    """Every release ever registered, the newest first."""
    found = await page(session, select(Release), Release.described, wanted=wanted, descending=True)
    return ReleaseList(items=[ReleaseOut.of(release) for release in found.items], next=found.next)


@router.post("/releases", status_code=201, tags=["releases"], dependencies=[Requires("releases:write")])
async def register(new: NewRelease, session: Session, actor: CurrentActor, platform: ThisPlatform, response: Response) -> ReleaseOut:
    """Ask an environment on the platform's machine what it is, or take an image's word, and have it among the releases; 200 if it was."""
    now = platform.clock.now()
    async with platform.reading:
        if new.image is not None and new.description is not None:
            place: Folder | str = f"{IMAGE}{new.image}"
            release_id, document = read_description(new.description, of=new.image)
        else:
            place = Folder(new.environment or "")
            release_id, document = await describe(place)
        known = await service.find(session, release_id)
        if known is not None and known.environment is not None:
            response.status_code = 200
        release = await service.register(session, release_id, document, environment=place, at=now, channel=new.channel)
    audit.record(session, actor, "release.registered", at=now, release=release.id, environment=release.environment)
    return ReleaseOut.of(release)


@router.get("/releases/newest", tags=["releases"], dependencies=[Requires("releases:read")])
async def newest_release(session: Session, actor: CurrentActor, platform: ThisPlatform) -> ReleaseOut:
    """What a clinic that signs up now gets."""
    return ReleaseOut.of(await service.newest(session, service.Offer.of(platform)))


@router.post("/releases/refresh", tags=["releases"], dependencies=[Requires("releases:write")])
async def refresh(session: Session, actor: CurrentActor, platform: ThisPlatform) -> ReleaseOut:
    """Read the platform's own runtime environment again, after a distribution was installed into it or taken out."""
    now = platform.clock.now()
    async with platform.reading:
        release_id, document = await describe(platform.settings.environment)
        release = await service.register(session, release_id, document, environment=platform.settings.environment, at=now)
    audit.record(session, actor, "release.refreshed", at=now, release=release.id)
    return ReleaseOut.of(release)


@router.get("/releases/{release_id}", tags=["releases"], dependencies=[Requires("releases:read")])
async def get_release(release_id: ReleaseId, session: Session, actor: CurrentActor) -> ReleaseOut:
    return ReleaseOut.of(await service.get(session, release_id))


@router.put("/releases/{release_id}/channel", tags=["releases"], dependencies=[Requires("releases:write")])
async def put_channel(
    release_id: ReleaseId, choice: ChannelChoice, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> ReleaseOut:
    """Promote a release to `stable`, or take it back to `early`. Tenants that have it keep it."""
    release = await service.get(session, release_id, lock=True)
    before, release.channel = release.channel, choice.channel
    audit.record(
        session, actor, "release.channel_changed", at=platform.clock.now(), release=release.id, before=before, after=choice.channel
    )
    return ReleaseOut.of(release)


@router.put("/releases/{release_id}/yank", tags=["releases"], dependencies=[Requires("releases:write")])
async def yank(release_id: ReleaseId, wish: Yank, session: Session, actor: CurrentActor, platform: ThisPlatform) -> ReleaseOut:
    """Offer this release to nobody any more. Tenants that run it stay on it until they are moved."""
    release = await service.yank(session, release_id, wish.reason, at=platform.clock.now())
    audit.record(session, actor, "release.yanked", at=platform.clock.now(), release=release.id, reason=wish.reason)
    return ReleaseOut.of(release)


@router.delete("/releases/{release_id}/yank", tags=["releases"], dependencies=[Requires("releases:write")])
async def take_back_yank(release_id: ReleaseId, session: Session, actor: CurrentActor, platform: ThisPlatform) -> ReleaseOut:
    """Offer a yanked release again."""
    release = await service.get(session, release_id, lock=True)
    release.yanked_at, release.yanked_reason = None, None
    audit.record(session, actor, "release.yank_taken_back", at=platform.clock.now(), release=release.id)
    return ReleaseOut.of(release)

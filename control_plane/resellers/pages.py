"""The addresses of resellers' sign-up pages: the form, the logo, and the style sheet with the reseller's colour."""

from typing import Annotated, Final

from fastapi import APIRouter, FastAPI, Path, Request
from starlette.responses import Response

from control_plane.access.routing import ThisPlatform
from control_plane.resellers import service, storefront
from control_plane.resellers.storefront import UnknownStorefront
from control_plane.signup import pages as signup
from control_plane.signup.rendering import render
from control_plane.signup.texts import speech_of

router = APIRouter(prefix="/r", include_in_schema=False)
Slug = Annotated[str, Path(max_length=40)]
_PICTURE: Final = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'", "Cache-Control": "max-age=86400"}


def install(app: FastAPI) -> None:
    app.include_router(router)


@router.get("/{storefront_slug}")
async def show_storefront(storefront_slug: Slug, request: Request, platform: ThisPlatform) -> Response:
    """The sign-up form of a reseller."""
    try:
        return await signup.show_form(request, platform, storefront_slug)
    except UnknownStorefront as error:
        say = speech_of(request)
        return render("notice.html", 404, say=say, heading=say("lost.title"), text=error.message)


@router.get("/{storefront_slug}/logo.png")
async def show_logo(storefront_slug: Slug, platform: ThisPlatform) -> Response:
    async with platform.database.transaction() as session:
        shop = await storefront.find(session, storefront_slug)
        brand = await service.brand_of(session, shop.reseller_id)
    if brand is None or brand.logo is None:
        raise UnknownStorefront(storefront_slug)
    return Response(brand.logo, media_type="image/png", headers=_PICTURE)


@router.get("/{storefront_slug}/brand.css")
async def show_sheet(storefront_slug: Slug, platform: ThisPlatform) -> Response:
    async with platform.database.transaction() as session:
        shop = await storefront.find(session, storefront_slug)
    return Response(shop.sheet, media_type="text/css", headers={**_PICTURE, "Cache-Control": "no-cache"})

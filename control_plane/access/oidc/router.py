"""/v1/session/oidc: to the identity provider and back. Reached without being signed in; limited by the other end of the connection."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse

from control_plane.access import throttle
from control_plane.access.oidc import service
from control_plane.access.oidc.errors import OidcReturnRefused
from control_plane.access.routing import ThisPlatform
from control_plane.access.session_router import give_cookie, peer_of
from control_plane.platform import Platform

router = APIRouter(prefix="/session/oidc", tags=["session"], include_in_schema=False)
COOKIE: Final = "dentalpin_oidc"
PATH: Final = "/v1/session/oidc"
Text = Annotated[str, Query(max_length=4000)]


@router.get("", status_code=303, response_class=RedirectResponse)
async def sign_in_elsewhere(request: Request, platform: ThisPlatform) -> RedirectResponse:
    """For operators: go to the identity provider, and come back signed in. Open it in a browser."""
    await _limit(platform, request)
    begun = await service.begin(platform)
    response = RedirectResponse(begun.url, 303)
    # Lax: the way back is a link of another site.
    secure = platform.settings.public_url.startswith("https://")
    seconds = int(service.RETURNS_WITHIN.total_seconds())
    response.set_cookie(COOKIE, begun.state, max_age=seconds, path=PATH, secure=secure, httponly=True, samesite="lax")
    return response


@router.get("/return", status_code=303, response_class=RedirectResponse)
async def come_back(
    request: Request, platform: ThisPlatform, state: Text = "", code: Text = "", error: Annotated[str, Query(max_length=200)] = ""
) -> RedirectResponse:
    """Where the identity provider sends the browser. The session is a cookie, as after signing in with a password."""
    await _limit(platform, request)
    if error or not state or not code:
        raise OidcReturnRefused("the identity provider sent no code; you may have said no there")
    signed_in = await service.finish(platform, state=state, code=code, browser=request.cookies.get(COOKIE))
    response = RedirectResponse("/v1/docs", 303)
    give_cookie(response, platform, signed_in)
    response.delete_cookie(COOKIE, path=PATH)
    return response


async def _limit(platform: Platform, request: Request) -> None:
    """Raises TooManyAttempts."""
    tried = [throttle.bucket(throttle.TOKEN, throttle.neighbourhood(peer_of(request)))]
    await throttle.attempt(platform.database, tried, at=platform.clock.now())

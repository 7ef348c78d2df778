"""What surrounds every endpoint under /v1: one transaction, an authenticated caller, and at most one effect per Idempotency-Key.

The route class opens the transaction, so that authentication, the stored answer and the endpoint's writes stand or fall together,
and closes it before the answer leaves (FastAPI's own `yield` dependencies are not the place: nothing could store the answer in them).
"""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final, cast

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.access.errors import ForeignOrigin
from control_plane.access.requires import permit
from control_plane.access.service import authenticate
from control_plane.idempotency import service as idempotency
from control_plane.platform import Platform

COOKIE: Final = "dentalpin_platform"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_bearer = HTTPBearer(auto_error=False, description="An operator key; `./dev key` makes one.")


def show_once(request: Request, *members: str) -> None:
    """Keep members of this answer out of what is stored for a repetition of the request: they are secrets."""
    request.state.shown_once = members


class _RollBack(Exception):
    def __init__(self, response: Response) -> None:
        self.response = response


class PlatformRoute(APIRoute):
    """A route of the operators' API. Use as `APIRouter(route_class=PlatformRoute)`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint = super().get_route_handler()

        async def handle(request: Request) -> Response:
            platform = platform_of(request)
            try:
                async with platform.database.transaction() as session:
                    request.state.session = session
                    request.state.actor = actor = await _caller(platform, session, request)
                    await permit(session, actor, self.dependant, request)
                    claim = await idempotency.claim(session, request, scope=actor.label, at=platform.clock.now())
                    if claim is not None and claim.answer is not None:
                        return claim.answer
                    response = await endpoint(request)
                    if response.status_code >= 400:
                        raise _RollBack(response)
                    if claim is not None:
                        await claim.keep(response, without=getattr(request.state, "shown_once", ()))
                    return response
            except _RollBack as refused:
                return refused.response

        return handle


def platform_of(request: Request) -> Platform:
    return cast(Platform, request.app.state.platform)


def _session(request: Request) -> AsyncSession:
    return cast(AsyncSession, request.state.session)


async def _caller(platform: Platform, session: AsyncSession, request: Request) -> Actor:
    """Raises NotAuthenticated, ForeignOrigin, TooManyRequests."""
    now = platform.clock.now()
    actor = await authenticate(session, request.headers.get("authorization"), request.cookies.get(COOKIE), at=now)
    if actor.session_id is not None and request.method not in _SAFE:
        refuse_foreign(request, platform)
    await platform.requests.count(actor.label, at=now)
    return actor


def refuse_foreign(request: Request, platform: Platform) -> None:
    """Browsers send cookies along with what other sites ask for, and say which site it was. Raises ForeignOrigin."""
    origin = request.headers.get("origin")
    own = {platform.settings.public_url.rstrip("/"), str(request.base_url).rstrip("/")}
    if (origin is not None and origin not in own) or request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ForeignOrigin


async def current_actor(request: Request, _: Annotated[object, Depends(_bearer)]) -> Actor:
    """The caller; for routes of another class (as the compliance pages) authenticated here, in a transaction of its own."""
    known = getattr(request.state, "actor", None)
    if known is not None:
        return cast(Actor, known)
    platform = platform_of(request)
    async with platform.database.transaction() as session:
        actor = await _caller(platform, session, request)
        await permit(session, actor, request.scope["route"].dependant, request)
    request.state.actor = actor
    return actor


ThisPlatform = Annotated[Platform, Depends(platform_of)]
Session = Annotated[AsyncSession, Depends(_session)]
CurrentActor = Annotated[Actor, Depends(current_actor)]

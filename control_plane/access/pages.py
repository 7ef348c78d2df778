"""What the pages of people who sign in have in common: refusals that are pages, forms, and a session that holds below one path."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

from fastapi import Request, Response
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse

from control_plane.access.actors import Actor
from control_plane.access.models import AccountSession
from control_plane.access.routing import COOKIE, PlatformRoute
from control_plane.access.signing_in import LASTS, SignedIn
from control_plane.audit import service as audit
from control_plane.errors import DomainError
from control_plane.platform import Platform

LONGEST: Final = 4096
"""Characters of one field."""


def page_route(refusal: Callable[[Request, DomainError], Response]) -> type[PlatformRoute]:
    """For `APIRouter(route_class=…)`: authorises as the API does, and answers whoever reads HTML with `refusal`'s page."""

    class PageRoute(PlatformRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def shown(request: Request) -> Response:
                try:
                    return await handle(request)
                except DomainError as error:
                    if "text/html" not in request.headers.get("accept", ""):
                        raise
                    return refusal(request, error)

            return shown

    return PageRoute


async def typed(request: Request, *names: str) -> dict[str, str]:
    """The form's fields of these names, empty where they are missing."""
    form = await request.form()
    return {name: value.strip()[:LONGEST] if isinstance(value := form.get(name), str) else "" for name in names}


@dataclass(frozen=True, slots=True)
class Area:
    """Pages below `path`, with a session of their own."""

    path: str
    same_site: Literal["lax", "strict"]
    """What changes anything asks for the origin besides (`refuse_foreign`)."""

    def inside(self, address: str) -> str:
        """A place within these pages, whatever was asked for."""
        within = address.startswith(f"{self.path}/") and "//" not in address and "\\" not in address
        return address if within or address == self.path else self.path

    def give_cookie(self, response: Response, platform: Platform, signed_in: SignedIn) -> None:
        response.set_cookie(
            COOKIE,
            signed_in.token,
            max_age=int(min(LASTS, timedelta(hours=12)).total_seconds()),
            path=self.path,
            secure=platform.settings.public_url.startswith("https://"),
            httponly=True,
            samesite=self.same_site,
        )

    async def sign_out(self, session: AsyncSession, actor: Actor, platform: Platform) -> Response:
        now = platform.clock.now()
        if actor.session_id is not None:
            await session.execute(update(AccountSession).where(AccountSession.id == actor.session_id).values(ended_at=now))
            audit.record(session, actor, "session.ended", at=now)
        answer = RedirectResponse(f"{self.path}/sign-in", 303)
        answer.delete_cookie(COOKIE, path=self.path)
        return answer

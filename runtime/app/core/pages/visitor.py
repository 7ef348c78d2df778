"""Who looks at a page, letting them in, and sending them elsewhere."""

from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from app.core.auth.dependencies import get_claims
from app.core.auth.errors import NotSignedIn, SessionEnded
from app.core.auth.identity import Identity, identify
from app.core.auth.sessions import OpenSession
from app.core.auth.state import auth_state


async def signed_in(request: Request, db: AsyncSession) -> Identity | None:
    try:
        return await identify(db, await get_claims(request))
    except (NotSignedIn, SessionEnded):
        return None


def enter(request: Request, opened: OpenSession) -> Response:
    response = see("/")
    auth = auth_state(request)
    auth.set_cookie(response, auth.tokens.issue(opened.claims, "page"))
    return response


def see(path: str) -> RedirectResponse:
    return RedirectResponse(path, status_code=303)

"""How the owner's pages answer: as the API authorises, but in HTML for whoever reads HTML."""

from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from fastapi import Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from control_plane.access.errors import NotAuthenticated
from control_plane.access.routing import COOKIE, PlatformRoute, platform_of
from control_plane.access.signing_in import LASTS, SignedIn
from control_plane.account_pages.texts import Words, words_of
from control_plane.errors import DomainError
from control_plane.platform import Platform
from control_plane.signup.rendering import HEADERS as SIGNUP_HEADERS
from control_plane.signup.rendering import HERE as SIGNUP
from control_plane.signup.rendering import limits, module_summary, module_title, name_of, static_file

PATH: Final = "/account"
SHOWN: Final = 20
"""Rows of a list on a page; the API shows all."""


def _moment(value: datetime, say: Words) -> str:
    """Day and minute, in UTC as everything on these pages."""
    return f"{say.date(value.date())}, {value:%H:%M} UTC"


def _size(count: int) -> str:
    """Bytes as people read them."""
    value, unit = float(count), "B"
    for larger in ("KB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f}\N{NO-BREAK SPACE}{unit}" if unit in ("B", "KB") else f"{value:.1f}\N{NO-BREAK SPACE}{unit}"


# The address holds no secret here, and a form without it would come without an origin, which is what tells our own pages from others'.
HEADERS: Final = {**SIGNUP_HEADERS, "Referrer-Policy": "same-origin"}
PAGES: Final = Environment(
    loader=FileSystemLoader([Path(__file__).parent / "templates", SIGNUP / "templates"]),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
PAGES.globals["file"] = static_file
PAGES.filters |= {
    "limits": limits,
    "module_title": module_title,
    "module_summary": module_summary,
    "name_of": name_of,
    "size": _size,
    "moment": _moment,
}
PAGES.filters["titled"] = lambda title, say: name_of(title, say) if say.has(f"module.{title}.title") else title
PAGES.filters["names_of"] = lambda names, say: [name_of(name, say) for name in names]


class PageRoute(PlatformRoute):
    """A page: what is refused is a page too, where the asker reads HTML; who is not signed in is shown how."""

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


def refusal(request: Request, error: DomainError) -> HTMLResponse:
    if isinstance(error, NotAuthenticated):
        return render(request, "sign_in.html", 401, after=request.url.path if request.method == "GET" else PATH, problem=None, sent=None)
    return render(request, "problem.html", error.status, text=said(request, error))


def said(request: Request, error: DomainError) -> str:
    """In the reader's language, where there is a sentence for it."""
    say = words_of(request)
    key = f"error.{error.code}"
    return say(key) if say.has(key) else error.message


def render(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    say: Words = words_of(request)
    platform = platform_of(request)
    actor = getattr(request.state, "actor", None)
    page = PAGES.get_template(template).render(
        say=say, demonstration=platform.payments.demonstration, actor=actor, referrer=HEADERS["Referrer-Policy"], **values
    )
    return HTMLResponse(page, status, {**HEADERS, "Content-Language": say.language})


def give_cookie(response: Response, platform: Platform, signed_in: SignedIn) -> None:
    """Lax, not strict: people come back from the payment provider's pages. What changes anything asks for the origin besides."""
    response.set_cookie(
        COOKIE,
        signed_in.token,
        max_age=int(min(LASTS, timedelta(hours=12)).total_seconds()),
        path=PATH,
        secure=platform.settings.public_url.startswith("https://"),
        httponly=True,
        samesite="lax",
    )

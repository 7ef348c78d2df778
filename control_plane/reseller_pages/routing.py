"""How these pages answer: as the API authorises, but in HTML for whoever reads HTML."""

from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from fastapi import Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from control_plane.access.errors import NotAuthenticated
from control_plane.access.routing import COOKIE, PlatformRoute, platform_of
from control_plane.access.signing_in import LASTS, SignedIn
from control_plane.account_pages.routing import HEADERS
from control_plane.errors import DomainError
from control_plane.platform import Platform
from control_plane.reseller_pages.texts import Words, words_of
from control_plane.signup.rendering import HERE as SIGNUP
from control_plane.signup.rendering import limits, module_summary, module_title, static_file

PATH: Final = "/reseller"
_LONGEST: Final = 4096
PAGES: Final = Environment(
    loader=FileSystemLoader([Path(__file__).parent / "templates", SIGNUP / "templates"]),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
PAGES.globals["file"] = static_file
PAGES.filters |= {"limits": limits, "module_title": module_title, "module_summary": module_summary}


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
        return render(request, "reseller_sign_in.html", 401, after=request.url.path if request.method == "GET" else PATH, problem=None)
    return render(request, "reseller_problem.html", error.status, text=said(request, error))


def said(request: Request, error: DomainError) -> str:
    """Why something was refused, in the reader's language where there is a sentence for it."""
    say = words_of(request)
    return say(f"error.{error.code}") if say.has(f"error.{error.code}") else error.message


def render(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    say: Words = words_of(request)
    common = {
        "say": say,
        "demonstration": platform_of(request).payments.demonstration,
        "actor": getattr(request.state, "actor", None),
        "referrer": HEADERS["Referrer-Policy"],
    }
    page = PAGES.get_template(template).render(**common, **values)
    return HTMLResponse(page, status, {**HEADERS, "Content-Language": say.language})


async def typed(request: Request, *names: str) -> dict[str, str]:
    form = await request.form()
    return {name: value.strip()[:_LONGEST] if isinstance(value := form.get(name), str) else "" for name in names}


async def several(request: Request, name: str, *, most: int = 200) -> list[str]:
    form = await request.form()
    return [value[:80] for value in form.getlist(name) if isinstance(value, str)][:most]


def give_cookie(response: Response, platform: Platform, signed_in: SignedIn) -> None:
    response.set_cookie(
        COOKIE,
        signed_in.token,
        max_age=int(min(LASTS, timedelta(hours=12)).total_seconds()),
        path=PATH,
        secure=platform.settings.public_url.startswith("https://"),
        httponly=True,
        samesite="strict",
    )

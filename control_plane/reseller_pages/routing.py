"""How these pages answer: as the API authorises, but in HTML for whoever reads HTML."""

from pathlib import Path
from typing import Any, Final

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from control_plane.access.errors import NotAuthenticated
from control_plane.access.pages import Area, page_route
from control_plane.access.routing import platform_of
from control_plane.account_pages.routing import HEADERS
from control_plane.errors import DomainError
from control_plane.reseller_pages.texts import Words, words_of
from control_plane.signup.rendering import HERE as SIGNUP
from control_plane.signup.rendering import limits, module_summary, module_title, static_file

PATH: Final = "/reseller"
AREA: Final = Area(PATH, "strict")
PAGES: Final = Environment(
    loader=FileSystemLoader([Path(__file__).parent / "templates", SIGNUP / "templates"]),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
PAGES.globals["file"] = static_file
PAGES.filters |= {"limits": limits, "module_title": module_title, "module_summary": module_summary}


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


async def several(request: Request, name: str, *, most: int = 200) -> list[str]:
    form = await request.form()
    return [value[:80] for value in form.getlist(name) if isinstance(value, str)][:most]


PageRoute = page_route(refusal)

"""How the owner's pages answer: as the API authorises, but in HTML for whoever reads HTML."""

from datetime import datetime
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from control_plane.access.errors import NotAuthenticated
from control_plane.access.pages import Area, page_route
from control_plane.access.routing import platform_of
from control_plane.account_pages.texts import Words, words_of
from control_plane.errors import DomainError
from control_plane.signup.rendering import HEADERS as SIGNUP_HEADERS
from control_plane.signup.rendering import HERE as SIGNUP
from control_plane.signup.rendering import limits, module_summary, module_title, name_of, static_file

PATH: Final = "/account"
AREA: Final = Area(PATH, "lax")
"""Lax, not strict: people come back from the payment provider's pages."""
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


PageRoute = page_route(refusal)

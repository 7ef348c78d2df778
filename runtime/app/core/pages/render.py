"""Templates to answers: one environment, one style sheet, and the policy that lets a page load nothing else."""

import hashlib
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from app.core.copies.copy import Copy
from app.core.demos.demo import Demo
from app.core.support.present import PRESENT

from .texts import TEXTS, language

if TYPE_CHECKING:
    from jinja2 import Environment

STYLESHEET: Final = "/-/pages.css"
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # Under `no-referrer` browsers send forms with `Origin: null` (Fetch standard), which is how forms of other sites are told apart.
    "Referrer-Policy": "same-origin",
    "Vary": "Accept-Language, Cookie",
}
_FOLDER: Final = Path(__file__).parent


@cache
def _environment() -> "Environment":
    # Imported with the first page: most requests of a waking runtime are not for one.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_FOLDER / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


@lru_cache(maxsize=1)
def _css() -> tuple[str, str]:
    text = (_FOLDER / "static" / "pages.css").read_text(encoding="utf-8")
    return text, hashlib.sha256(text.encode()).hexdigest()[:12]


def stylesheet() -> Response:
    return Response(_css()[0], media_type="text/css", headers={"Cache-Control": "public, max-age=31536000, immutable"})


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page in the browser's language; `t` in a template gives its texts."""
    code = language(request.headers.get("accept-language", ""))
    texts = TEXTS[code]

    def t(key: str, **parts: object) -> str:
        return texts[key].format(**parts) if parts else texts[key]

    copy: Copy | None = request.app.state.copy
    demo: Demo | None = request.app.state.demo
    # Normal mode has no text.
    told = [
        texts["copy"].format(**copy.words()) if copy else None,
        texts["demo"].format(**demo.words()) if demo else None,
        texts.get(f"mode_{request.app.state.mode}"),
    ]
    told += [
        texts["support_present"].format(who=each.operator_name, until=f"{each.ends_at:%H:%M}") for each in request.scope.get(PRESENT, ())
    ]
    common = {"lang": code, "t": t, "texts": texts, "banner": " ".join(filter(None, told)), "payments": request.app.state.payments}
    html = _environment().get_template(template).render(stylesheet=f"{STYLESHEET}?v={_css()[1]}", **common, **values)
    return HTMLResponse(html, status, HEADERS)

"""The page behind an export's link: looking at it uses nothing up, its button downloads once."""

from typing import Annotated, Final

from fastapi import APIRouter, FastAPI, Path, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response, StreamingResponse

from control_plane.access.routing import ThisPlatform
from control_plane.exit import exports
from control_plane.exit.errors import LinkUnknown
from control_plane.exit.models import ExportFormat, TenantExport
from control_plane.languages import Language, preferred
from control_plane.signup.rendering import HEADERS, HERE, static_file
from control_plane.signup.texts import Speech

router = APIRouter(prefix="/exports", include_in_schema=False)
Token = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{43}$")]

WORDS: Final[dict[Language, dict[str, str]]] = {
    "en": {
        "title": "Your clinic's export",
        "lead": "Everything your clinic has on DentalPin, in one archive.",
        "size": "Size",
        "care": "It holds patients' data and is not encrypted any more once you have it. This link works once.",
        "button": "Download",
        "gone": "This link is not valid any more: it works once, and for a few days. Ask for a new one.",
    },
    "es": {
        "title": "La exportación de su clínica",
        "lead": "Todo lo que su clínica tiene en DentalPin, en un solo archivo.",
        "size": "Tamaño",
        "care": "Contiene datos de pacientes y, una vez descargado, no está cifrado. Este enlace sirve una sola vez.",
        "button": "Descargar",
        "gone": "Este enlace ya no es válido: sirve una sola vez y durante unos días. Pida otro.",
    },
}
_PAGES: Final = Environment(
    loader=FileSystemLoader([HERE.parent / "exit" / "templates", HERE / "templates"]), autoescape=True, undefined=StrictUndefined
)
_PAGES.globals["file"] = static_file


def install(app: FastAPI) -> None:
    app.include_router(router)


@router.get("/{token}")
async def look(token: Token, request: Request, platform: ThisPlatform) -> HTMLResponse:
    try:
        async with platform.database.transaction() as session:
            _, export = await exports.look_at_link(session, token, at=platform.clock.now())
    except LinkUnknown:
        return _page(request, None, status=404)
    return _page(request, export)


@router.post("/{token}")
async def download(token: Token, request: Request, platform: ThisPlatform) -> Response:
    try:
        async with platform.database.transaction() as session:
            export = await exports.use_link(session, token, at=platform.clock.now())
    except LinkUnknown:
        return _page(request, None, status=404)
    ending = "zip" if export.format is ExportFormat.ARCHIVE else "dump"
    headers = {
        **HEADERS,
        "Content-Disposition": f'attachment; filename="dentalpin-{export.created_at:%Y-%m-%d}.{ending}"',
        "Content-Length": str(export.bytes),
    }
    return StreamingResponse(exports.content(platform, export, token), media_type="application/octet-stream", headers=headers)


def _page(request: Request, export: TenantExport | None, *, status: int = 200) -> HTMLResponse:
    language = preferred(request.headers.get("accept-language"))
    page = _PAGES.get_template("download.html").render(say=Speech(language), words=WORDS[language], export=export)
    return HTMLResponse(page, status, {**HEADERS, "Content-Language": language})

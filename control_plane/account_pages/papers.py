"""Invoices for bank transfers as pages to print: for the owner under /account, for operators and programs under /v1."""

import base64
import hashlib
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Request, Response
from fastapi import Path as InPath
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse

from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.account_pages.routing import HEADERS, PAGES, PATH, PageRoute
from control_plane.account_pages.texts import words_of
from control_plane.billing import service as billing
from control_plane.billing.errors import InvoiceElsewhere
from control_plane.payments.manual.paper import Paper
from control_plane.payments.manual.provider import ManualProvider
from control_plane.platform import Platform
from control_plane.tenants.models import Tenant
from control_plane.tenants.router import KnownTenant

pages = APIRouter(prefix=PATH, include_in_schema=False, route_class=PageRoute)
router = APIRouter(prefix="/tenants/{slug}/billing", tags=["billing"], route_class=PlatformRoute)
InvoiceId = Annotated[str, InPath(max_length=80)]

_STYLE: Final = (Path(__file__).parent / "templates" / "paper.css").read_text(encoding="utf-8")
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY: Final = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'"


@pages.get("/clinics/{slug}/invoices/{invoice}", dependencies=[Requires("billing:read")])
async def show_invoice(invoice: InvoiceId, tenant: KnownTenant, request: Request, session: Session, platform: ThisPlatform) -> Response:
    back = f"{PATH}/clinics/{tenant.slug}/invoices"
    return _render(request, await _paper(session, platform, tenant, invoice), back=back)


@router.get("/invoices/{invoice}/page", dependencies=[Requires("billing:read")], response_class=Response)
async def get_invoice_page(
    invoice: InvoiceId, tenant: KnownTenant, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> Response:
    """An invoice for a bank transfer as a page to print, in the language asked for. Others are on their provider's pages."""
    return _render(request, await _paper(session, platform, tenant, invoice), back=None)


async def _paper(session: AsyncSession, platform: Platform, tenant: Tenant, invoice: str) -> Paper:
    """Raises NoAgreement, UnknownInvoice, InvoiceElsewhere."""
    _, found = await billing.invoice_of(session, tenant, invoice)
    provider = platform.payments.get(found.provider)
    paper = await provider.paper(invoice) if isinstance(provider, ManualProvider) else None
    if paper is None:
        raise InvoiceElsewhere(invoice, found.page)
    return paper


def _render(request: Request, paper: Paper, *, back: str | None) -> HTMLResponse:
    say = words_of(request)
    html = PAGES.get_template("paper.html").render(say=say, paper=paper, style=_STYLE, back=back)
    return HTMLResponse(html, headers={**HEADERS, "Content-Security-Policy": _POLICY, "Content-Language": say.language})

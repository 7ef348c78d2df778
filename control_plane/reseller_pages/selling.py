"""/reseller/{reseller_id}/prices and /brand: what clinics are asked, never below the floor, and how the sign-up page looks."""

import base64
import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, ClassVar, Final

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse, Response

from control_plane.access.models import Reseller
from control_plane.access.pages import typed
from control_plane.access.routing import CurrentActor, Session, ThisPlatform
from control_plane.errors import DomainError, Invalid
from control_plane.plans import service as plans
from control_plane.platform import Platform
from control_plane.reseller_pages.customers import READ, WRITE
from control_plane.reseller_pages.routing import PATH, PageRoute, render, said
from control_plane.reseller_pages.texts import words_of
from control_plane.resellers import service
from control_plane.resellers.branding import LARGEST, check_colour
from control_plane.resellers.pricing import price_list
from control_plane.resellers.router import LockedReseller, OwnReseller
from control_plane.resellers.schemas import BrandChange, BrandOut, PriceBookIn

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=PageRoute)
_FIELD: Final = re.compile(r"price\.((?:plan|module)\.[a-z][a-z0-9_]{0,39})\.([A-Z]{3})")


class NoAmount(Invalid):
    code: ClassVar[str] = "price_no_amount"

    def __init__(self, item: str, typed: str) -> None:
        super().__init__(f"{typed!r} is no amount for {item}. Write it as 12.50 or 12,50, or leave it empty.", item=item)


@router.get("/{reseller_id}/prices", dependencies=[READ])
async def show_prices(reseller: OwnReseller, request: Request, session: Session, platform: ThisPlatform) -> Response:
    return render(request, "prices.html", **await _prices(session, platform, reseller), given={}, problem=None)


@router.post("/{reseller_id}/prices", dependencies=[WRITE])
async def set_prices(reseller: LockedReseller, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    """The whole book: what is left empty costs what the tariff says."""
    form = await request.form()
    given = {name: value.strip()[:20] for name, value in form.items() if isinstance(value, str) and _FIELD.fullmatch(name)}
    try:
        wanted = PriceBookIn.model_validate({"prices": _book(given)})
        tariff = await plans.current(session, platform.clock.today())
        await service.set_prices(session, reseller, tariff, wanted.prices, actor=actor, at=platform.clock.now())
    except (DomainError, ValidationError) as error:
        problem = said(request, error) if isinstance(error, DomainError) else words_of(request)("error.price_no_amount")
        return render(request, "prices.html", 422, **await _prices(session, platform, reseller), given=given, problem=problem)
    return RedirectResponse(f"{PATH}/{reseller.id}/prices", 303)


def _book(given: dict[str, str]) -> dict[str, dict[str, Decimal]]:
    """Raises NoAmount."""
    book: dict[str, dict[str, Decimal]] = {}
    for name, text in given.items():
        found = _FIELD.fullmatch(name)
        if found is None or not text:
            continue
        item, currency = found.groups()
        try:
            amount = Decimal(text.replace(",", "."))
        except InvalidOperation as error:
            raise NoAmount(item, text) from error
        if not amount.is_finite():
            raise NoAmount(item, text)
        book.setdefault(item, {})[currency] = amount
    return book


async def _prices(session: AsyncSession, platform: Platform, reseller: Reseller) -> dict[str, Any]:
    terms = await service.terms_of(session, reseller.id, at=platform.clock.now())
    tariff = await plans.current(session, platform.clock.today())
    listed = price_list(tariff, terms, service.prices_in(await service.price_book(session, reseller.id)))
    titles = {f"plan.{name}": plan.title for name, plan in tariff.plans.items()}
    return {"reseller": reseller, "at": "prices", "prices": listed, "titles": titles, "terms": terms}


@router.get("/{reseller_id}/brand", dependencies=[READ])
async def show_brand(reseller: OwnReseller, request: Request, session: Session) -> Response:
    brand = BrandOut.of(reseller, await service.brand_of(session, reseller.id))
    return render(request, "brand.html", reseller=reseller, at="brand", brand=brand, shown=brand, problem=None, trying=False)


@router.post("/{reseller_id}/brand", dependencies=[WRITE])
async def set_brand(reseller: LockedReseller, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    """Show how it would look (`try`), or take it over."""
    given = await typed(request, "title", "colour", "support_email", "website", "slug", "do")
    brand = BrandOut.of(reseller, await service.brand_of(session, reseller.id))
    shown = brand.model_copy(update={name: given[name] or None for name in ("support_email", "website", "slug")})
    shown = shown.model_copy(update={"title": given["title"], "colour": given["colour"]})
    values: dict[str, Any] = {"reseller": reseller, "at": "brand", "brand": brand, "shown": shown}
    try:
        change = BrandChange.model_validate(
            {name: given[name] or None for name in ("title", "colour", "support_email", "website", "slug")} | {"logo": await _logo(request)}
        )
        if given["do"] == "try":
            check_colour(change.colour)
            return render(request, "brand.html", **values, problem=None, trying=True)
        await service.set_brand(session, reseller, change, actor=actor, at=platform.clock.now())
    except (DomainError, ValidationError) as error:
        problem = said(request, error) if isinstance(error, DomainError) else words_of(request)("brand.wrong")
        return render(request, "brand.html", 422, **values, problem=problem, trying=False)
    return RedirectResponse(f"{PATH}/{reseller.id}/brand", 303)


async def _logo(request: Request) -> str | None:
    """In base64, as the API takes it; None where none was chosen, empty to take it away."""
    form = await request.form()
    if form.get("no_logo"):
        return ""
    sent = form.get("logo")
    if not isinstance(sent, UploadFile) or not sent.filename:
        return None
    # One byte more than may be: that it is too large is said by whoever checks it.
    return base64.b64encode(await sent.read(LARGEST + 1)).decode()


@router.get("/{reseller_id}/preview.css", dependencies=[READ])
async def show_preview(reseller: OwnReseller, colour: Annotated[str, Query(pattern=r"^#[0-9a-fA-F]{6}$")]) -> Response:
    """The colour that is tried, for the sample on the page and nowhere else."""
    sheet = f".sample {{ --accent: {colour}; --accent-deep: {colour}; border-top: 4px solid {colour}; }}\n"
    sheet += f".sample .button {{ background: {colour}; }}\n.sample a:not(.button) {{ color: {colour}; }}\n"
    return Response(sheet, media_type="text/css", headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"})

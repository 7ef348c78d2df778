"""The addresses of sign-up: `/` and `/signup`, the live parts of the form, and each clinic's progress page."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, FastAPI, Path, Request
from pydantic import ValidationError
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from control_plane.access import throttle
from control_plane.access.routing import ThisPlatform
from control_plane.access.session_router import peer_of
from control_plane.errors import DomainError
from control_plane.plans import Tariff
from control_plane.platform import Platform
from control_plane.releases import service as releases
from control_plane.releases.catalogue import Catalogue
from control_plane.releases.errors import NoRelease
from control_plane.resellers import storefront
from control_plane.resellers.storefront import Storefront, UnknownStorefront
from control_plane.signup import card_pages as card
from control_plane.signup import service
from control_plane.signup.errors import FormReused, PageUnknown
from control_plane.signup.explaining import explain, explain_faults
from control_plane.signup.forms import FACT_PREFIX, TOKEN, SignupForm, new_token
from control_plane.signup.offer import Offer, make_offer
from control_plane.signup.rendering import HEADERS, STATIC, render
from control_plane.signup.stages import shown
from control_plane.signup.texts import Speech, speech_of
from control_plane.tenants import slugs
from control_plane.tenants.errors import InvalidSlug
from control_plane.tenants.schemas import InvitationRequest

router = APIRouter(prefix="/signup", include_in_schema=False)
FIRST_CHOICE: Final = ("agenda",)
"""What a new form proposes, where the release has it."""
ORDER: Final = ("", "name", "email", "slug", "country", "territory", "tax_id", "legal_form")
"""Fields from top to bottom, the whole form before them; questions, plan and modules follow."""
SENDING: Final = throttle.Limit("signup", 30, timedelta(hours=1), forgiven=False)
"""Forms one address may send: each may mail somebody, and keeps a place that others wait for."""
Token = Annotated[str, Path(pattern=f"^{TOKEN.pattern}$")]


def install(app: FastAPI) -> None:
    """Add the pages, their files and the way from `/` to an application."""
    app.mount("/signup/static", StaticFiles(directory=STATIC), name="signup-static")
    app.include_router(router)
    app.include_router(card.router)
    app.add_api_route("/", welcome, include_in_schema=False)


def home_country(request: Request, platform: Platform) -> str:
    """The country a browser's languages name (es-ES), else the one a bare language is mostly of, else none."""
    tags = [entry.split(";")[0].strip().lower() for entry in request.headers.get("accept-language", "").split(",")]
    for tag in tags:
        region = tag.partition("-")[2].upper()
        if region in platform.packs.countries:
            return region
    return "ES" if "es" in tags else ""


@dataclass(frozen=True)
class Sale:
    """What the form is filled from: the modules there are, and what is asked for them."""

    catalogue: Catalogue
    tariff: Tariff
    shop: Storefront | None = None


async def sale_now(platform: Platform, storefront_slug: str = "") -> Sale:
    """On the platform's own page, or on a reseller's with its prices. Raises NoRelease, UnknownStorefront."""
    async with platform.database.transaction() as session:
        # Offers show the law as it was published last.
        await platform.shelf.current(session)
        catalogue = releases.catalogue_of(await releases.newest(session, releases.Offer.of(platform)))
        shop, tariff = await storefront.sold(session, platform, storefront_slug)
        return Sale(catalogue, tariff, shop)


def offer_for(platform: Platform, form: SignupForm, sale: Sale) -> Offer:
    return make_offer(form, sale.catalogue, platform.packs, sale.tariff, platform.clock, service.doors(platform))


def starting(say: Speech) -> HTMLResponse:
    return render("notice.html", 503, say=say, heading=say("unavailable.title"), text=say("unavailable.text"))


def page(platform: Platform, say: Speech, form: SignupForm, sale: Sale, errors: dict[str, str], **more: str | None) -> HTMLResponse:
    offer = offer_for(platform, form, sale)
    if errors:
        # One round of corrections, not one for each mistake.
        slug = [InvalidSlug(form.slug, why, "")] if form.slug and (why := slugs.why_invalid(form.slug)) else []
        for problem in (*offer.problems, *slug):
            errors = explain(problem, form, say, offer) | errors
        errors = dict(sorted(errors.items(), key=lambda item: ORDER.index(item[0]) if item[0] in ORDER else len(ORDER)))
    names = {code: say.of(platform.packs.jurisdiction(code).name) for code in platform.packs.countries}
    countries = sorted(names.items(), key=lambda item: item[1])
    labels = labels_of(offer, say)
    return render(
        "form.html",
        422 if errors else 200,
        say=say,
        form=form,
        offer=offer,
        errors=errors,
        labels={name: labels.get(name, name) for name in errors},
        countries=countries,
        earlier=more.get("earlier"),
        demonstration=platform.payments.demonstration,
        shop=sale.shop,
    )


def labels_of(offer: Offer, say: Speech) -> dict[str, str]:
    labels = {name: say(f"form.{name}") for name in ("name", "email", "slug", "country", "territory", "legal_form", "tax_id")}
    labels["modules"] = say("form.section.modules")
    labels["plan"] = say("form.section.plan")
    return labels | {f"{FACT_PREFIX}{name}": say.of(fact.question) for name, fact in offer.questions.items()}


async def welcome(request: Request, platform: ThisPlatform) -> Response:
    return await show_form(request, platform)


@router.get("")
async def show_form(request: Request, platform: ThisPlatform, storefront_slug: str = "") -> Response:
    say = speech_of(request)
    try:
        sale = await sale_now(platform, storefront_slug)
    except NoRelease:
        return starting(say)
    usable = sale.catalogue.usable()
    form = SignupForm.blank(home_country(request, platform), [name for name in FIRST_CHOICE if name in usable])
    return page(platform, say, replace(form, storefront=sale.shop.slug if sale.shop else ""), sale, {})


@router.post("/consequences")
async def show_consequences(request: Request, platform: ThisPlatform) -> Response:
    """The parts of the form that depend on the rest of it. Nothing is written; what is not filled in yet is no error."""
    say = speech_of(request)
    form = _asked_here(SignupForm.read(await request.form()), platform)
    try:
        offer = offer_for(platform, form, await sale_now(platform, form.storefront))
    except NoRelease:
        return starting(say)
    errors: dict[str, str] = {}
    for problem in offer.problems:
        errors |= explain(problem, form, say, offer)
    return render("consequences.html", say=say, form=form, offer=offer, errors=errors)


def _asked_here(form: SignupForm, platform: Platform) -> SignupForm:
    if form.country.upper() not in platform.packs.countries:
        return form
    territories = platform.packs.territories(form.country.upper())
    territory = form.territory if form.territory in territories else None
    return form.for_country(platform.packs.jurisdiction(form.country, territory), territories)


@router.post("")
async def send_form(request: Request, platform: ThisPlatform) -> Response:
    """Open the clinic and go to its progress page, or show the form again with what is wrong."""
    say = speech_of(request)
    data = await request.form()
    form = SignupForm.read(data)
    try:
        sale = await sale_now(platform, form.storefront)
        if "update" in data:
            return page(platform, say, _asked_here(form, platform), sale, {})
        tried = throttle.bucket(SENDING, throttle.neighbourhood(peer_of(request)))
        await throttle.attempt(platform.database, [tried], at=platform.clock.now())
        async with platform.database.transaction() as session:
            begun = await service.sign_up(session, platform, form)
    except NoRelease:
        return starting(say)
    except UnknownStorefront as error:
        return render("notice.html", 404, say=say, heading=say("lost.title"), text=error.message)
    except ValidationError as error:
        return page(platform, say, form, sale, explain_faults(error, form, say))
    except FormReused as error:
        again = replace(form, token=new_token())
        return page(platform, say, again, sale, {"": say("error.reused", clinic=error.context["clinic"])}, earlier=form.token)
    except DomainError as error:
        offer = offer_for(platform, form, sale)
        return page(platform, say, form, sale, explain(error, form, say, offer))
    if begun.reservation_id is not None:
        return await card.leave(platform, begun.reservation_id, form.token)
    return RedirectResponse(f"/signup/{form.token}", 303)


@router.get("/{token}")
async def show_progress(token: Token, request: Request, platform: ThisPlatform, checkout: str = "") -> Response:
    """`checkout` is there when the person comes from the provider's page: what it names is not believed, the provider is asked."""
    return await card.waiting(token, request, platform, back=bool(checkout)) or await _progress(token, request, platform, "progress.html")


@router.get("/{token}/state")
async def show_state(token: Token, request: Request, platform: ThisPlatform, seen: str = "") -> Response:
    """The changing part of the progress page, which asks for it until nothing more happens. 204: it is still what was seen."""
    if seen.startswith(card.SEEN):
        return await card.changed(token, platform, seen)
    return await _progress(token, request, platform, "changed.html", seen=seen)


@router.post("/{token}/invitation")
async def send_invitation(token: Token, request: Request, platform: ThisPlatform) -> Response:
    """Send the owner's link again, to another address where one was typed."""
    say = speech_of(request)
    typed = (await request.form()).get("email")
    email = None
    if isinstance(typed, str):
        try:
            email = str(InvitationRequest.model_validate({"owner_email": typed.strip()}).owner_email)
        except ValidationError:
            return await _progress(token, request, platform, "progress.html", wrong={"email": say("error.email")}, typed=typed[:254])
    try:
        async with platform.database.transaction() as session:
            await service.send_again(session, platform, token, email)
    except PageUnknown:
        return _lost(say)
    except DomainError as error:
        return await _progress(token, request, platform, "progress.html", wrong={"email": error.message}, typed=email)
    return RedirectResponse(f"/signup/{token}", 303)


async def _progress(
    token: str,
    request: Request,
    platform: Platform,
    template: str,
    *,
    seen: str = "",
    wrong: dict[str, str] | None = None,
    typed: str | None = None,
) -> Response:
    say = speech_of(request)
    try:
        async with platform.database.transaction() as session:
            progress = await service.progress(session, await service.tenant_of(session, platform, token))
    except PageUnknown:
        return _lost(say)
    view = shown(progress, say)
    if seen == view.digest:
        return Response(status_code=204, headers=HEADERS)
    law = progress.desired.compliance
    titles = platform.packs.jurisdiction(law.country, law.territory).obligations
    return render(
        template,
        422 if wrong else 200,
        say=say,
        token=token,
        view=view,
        progress=progress,
        unmet=[say.of(titles[one.id].title) if one.id in titles else one.title for one in law.unmet],
        errors=wrong or {},
        typed=typed,
        demonstration=platform.payments.demonstration,
    )


def _lost(say: Speech) -> HTMLResponse:
    return render("notice.html", 404, say=say, heading=say("lost.title"), text=say("lost.text", days=service.KEPT.days))

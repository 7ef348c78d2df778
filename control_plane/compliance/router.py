"""`/v1/compliance`: what a country asks of a clinic with given facts on a given date, and which modules of the newest release meet it."""

import re
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request

from control_plane.access.requires import Guards, Requires
from control_plane.clock import Clock
from control_plane.compliance.errors import BadDate, CountryNotFound, UnknownCountry
from control_plane.compliance.facts import Facts
from control_plane.compliance.loading import Packs, official_packs
from control_plane.compliance.matching import Manifests, match
from control_plane.compliance.resolving import resolve
from control_plane.compliance.schemas import CountriesOut, CountryOut, RequirementsOut
from control_plane.languages import preferred
from control_plane.platform import Platform
from control_plane.releases import service as releases
from control_plane.releases.errors import NoRelease

router = APIRouter(prefix="/compliance", tags=["compliance"], dependencies=[Guards("compliance")])

OPEN_TO_OWNERS = Requires("compliance:read", own=True)
_NAMED = frozenset({"on", "territory", "legal_form", "tax_id"})

AcceptLanguage = Annotated[str | None, Header()]


def parse_date(value: str) -> date:
    """YYYY-MM-DD and nothing else: Python also reads 20270101 and week dates, which are typing errors here. Raises BadDate."""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        raise BadDate(value)
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise BadDate(value) from error


def _clock(request: Request) -> Clock:
    clock: Clock = request.app.state.clock
    return clock


async def _packs(request: Request) -> Packs:
    """The edition published last; the product's own packs where nothing is published from here."""
    platform: Platform | None = getattr(request.app.state, "platform", None)
    if platform is None:
        return official_packs()
    async with platform.database.transaction() as session:
        return (await platform.shelf.current(session)).packs


NewestPacks = Annotated[Packs, Depends(_packs)]


@router.get("", dependencies=[OPEN_TO_OWNERS])
def list_countries(packs: NewestPacks, accept_language: AcceptLanguage = None) -> CountriesOut:
    """The countries with a pack, their territories, and the facts each asks for."""
    language = preferred(accept_language)
    return CountriesOut(items=[CountryOut.of(packs, packs.jurisdiction(country), language) for country in packs.countries])


async def _modules(request: Request) -> Manifests | None:
    """What can be installed from the newest release; None where nothing is deployed from here, or not yet."""
    platform: Platform | None = getattr(request.app.state, "platform", None)
    if platform is None:
        return None
    async with platform.database.transaction() as session:
        try:
            catalogue = releases.catalogue_of(await releases.newest(session, releases.Offer.of(platform)))
        except NoRelease:
            return None
    return {name: module.model_dump() for name, module in catalogue.usable().items()}


@router.get("/{country}", dependencies=[OPEN_TO_OWNERS])
def get_requirements(
    country: str,
    request: Request,
    packs: NewestPacks,
    clock: Annotated[Clock, Depends(_clock)],
    modules: Annotated[Manifests | None, Depends(_modules)],
    on: Annotated[str | None, Query(description="YYYY-MM-DD; today in the country when left out")] = None,
    territory: str | None = None,
    legal_form: str | None = None,
    tax_id: str | None = None,
    accept_language: AcceptLanguage = None,
) -> RequirementsOut:
    """What the law asks on a date. Further query parameters are facts of the clinic (`sii=true`); the list of countries names them."""
    stated = {name: value for name, value in request.query_params.items() if name not in _NAMED}
    try:
        jurisdiction = packs.jurisdiction(country, territory)
    except UnknownCountry as error:
        raise CountryNotFound(country, packs.countries) from error
    day = clock.today(jurisdiction.time_zones[0]) if on is None else parse_date(on)
    facts = Facts.of(country, territory, legal_form=legal_form, tax_id=tax_id, **stated)
    found = resolve(facts, packs, day)
    return RequirementsOut.of(found, preferred(accept_language), match(found, modules) if modules is not None else None)

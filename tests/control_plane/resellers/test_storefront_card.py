"""Signing up with a card on a reseller's page: at its prices, and never beyond its ceiling, whenever that is reached."""

import re
from decimal import Decimal

import pytest
from sqlalchemy import func, select

from control_plane.access.models import Reseller
from control_plane.mail.models import OutgoingMail
from control_plane.plans import official_tariff
from control_plane.resellers import opening, service
from control_plane.resellers.schemas import NewTerms
from control_plane.signup.models import Reservation
from control_plane.tenants.models import Tenant
from tests.support.billing import OPERATOR, billing_of
from tests.support.payment_provider import serving
from tests.support.platform import api_of

FORM = {"name": "Clínica Sol", "email": "ana@sol.example", "country": "ES", "module": [], "payment": "card", "storefront": "north"}


@pytest.fixture(scope="module")
def double():
    with serving(manual=True) as provider:
        yield provider


@pytest.fixture
async def billing(platform, double):
    async with billing_of(platform, double) as made:
        yield made


@pytest.fixture
async def north(billing) -> Reseller:
    """Asks 35 for what costs 29, and may have one clinic."""
    now = billing.platform.clock.now()
    async with billing.platform.database.transaction() as session:
        reseller = await service.create(session, "North", "north", NewTerms(max_tenants=1), actor=OPERATOR, at=now)
        prices = {"plan.solo": {"EUR": Decimal("35.00")}}
        await service.set_prices(session, reseller, official_tariff(), prices, actor=OPERATOR, at=now)
    return reseller


@pytest.fixture
async def site(billing):
    async with api_of(billing.platform) as client:
        client.headers.pop("Authorization")
        yield client


async def send(site):
    [token] = re.findall(r'name="token" value="([^"]+)"', (await site.get("/r/north")).text)
    return await site.post("/signup", data={"token": token, **FORM})


async def takes_the_last_place(billing, north):
    luna = await billing.tenant("luna")
    async with billing.platform.database.transaction() as session:
        await opening.take_in(session, north.id, luna, actor=OPERATOR, at=billing.platform.clock.now())


async def test_a_full_reseller_s_page_asks_nobody_for_a_card(billing, site, north):
    await takes_the_last_place(billing, north)
    refused = await send(site)
    async with billing.platform.database.transaction() as session:
        waiting = await session.scalar(select(func.count()).select_from(Reservation))
    assert (refused.status_code >= 400, waiting) == (True, 0)
    assert billing.v1.customers.list().data == []


async def test_the_place_that_goes_while_the_card_is_typed_leaves_nothing_at_the_provider(billing, site, north):
    sent = await send(site)
    assert sent.status_code == 303, sent.text
    way = await site.get(sent.headers["location"])
    [page] = re.findall(r'http-equiv="refresh" content="0; url=([^"]+)"', way.text)
    billing.provider.post(page, card="4242424242424242")
    [subscription] = billing.v1.subscriptions.list().data
    asked = [item.price.unit_amount for item in subscription["items"].data]
    await takes_the_last_place(billing, north)
    await site.get(f"{sent.headers['location'].removesuffix('/card')}?checkout=cs_whatever")
    for _ in range(2):
        await billing.worker.run_passes("signups")

    async with billing.platform.database.transaction() as session:
        row = (await session.scalars(select(Reservation))).one()
        slugs = list(await session.scalars(select(Tenant.slug)))
    assert asked == [3500]
    assert (row.state, slugs) == ("ended", ["luna"])
    assert "may have 1" in row.reason
    assert [one.status for one in billing.v1.subscriptions.list({"status": "all"}).data] == ["canceled"]
    assert billing.v1.customers.list().data == []
    async with billing.platform.database.transaction() as session:
        ended = await session.scalar(select(OutgoingMail).where(OutgoingMail.template == "signup_ended"))
    assert "http://platform.example/r/north" in ended.text

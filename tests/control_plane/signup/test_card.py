"""Signing up with a card, at the pages' door and with the payment provider's double: what is paid is opened, what is not leaves nothing."""

import re

import httpx2
import pytest
from sqlalchemy import func, select

from control_plane.access.actors import Actor
from control_plane.plans import Tariff, official_tariff
from control_plane.plans import service as plans
from control_plane.signup.models import Reservation
from control_plane.signup.states import ReservationState
from control_plane.tenants.models import Tenant
from tests.support.platform import MODULES, api_of

SPAIN = {"name": "Clínica Sol", "email": "ana@sol.example", "country": "ES", "module": ["agenda"], "payment": "card"}


@pytest.fixture
async def site(billing):
    async with api_of(billing.platform) as client:
        client.headers.pop("Authorization")
        yield client


async def send(site: httpx2.AsyncClient, **changes: object) -> httpx2.Response:
    [token] = re.findall(r'name="token" value="([^"]+)"', (await site.get("/signup")).text)
    return await site.post("/signup", data={"token": token, **SPAIN, **changes})


async def to_the_card(site, **changes) -> tuple[str, str]:
    """The address of the sign-up's page, and of the provider's."""
    response = await send(site, **changes)
    assert response.status_code == 303, response.text
    way = await site.get(response.headers["location"])
    [page] = re.findall(r'http-equiv="refresh" content="0; url=([^"]+)"', way.text)
    return response.headers["location"].removesuffix("/card"), page


async def look(billing) -> None:
    """What the worker does every few seconds."""
    await billing.worker.run_passes("signups")


async def tenants(billing) -> list[Tenant]:
    async with billing.platform.database.transaction() as session:
        return list(await session.scalars(select(Tenant)))


async def reservation(billing) -> Reservation:
    async with billing.platform.database.transaction() as session:
        return (await session.scalars(select(Reservation))).one()


async def sell_without_trial(billing) -> None:
    now = billing.platform.clock.now()
    values = {**official_tariff().model_dump(), "id": "2030-01", "valid_from": now.date(), "trial_days": 0}
    async with billing.platform.database.transaction() as session:
        await plans.publish(session, Tariff.model_validate(values), actor=Actor.operator("tests"), at=now)


async def test_a_clinic_is_opened_once_its_card_is_there_and_not_before(billing, site):
    address, page = await to_the_card(site)
    await look(billing)
    assert await tenants(billing) == []
    assert "One thing is left for Clínica Sol" in (await site.get(address)).text

    billing.provider.post(page, card="4242424242424242")
    waiting = (await site.get(f"{address}?checkout=cs_whatever")).text
    assert "Looking for your card" in waiting
    await look(billing)

    [tenant] = await tenants(billing)
    assert tenant.id == (await reservation(billing)).id
    assert "Opening Clínica Sol" in (await site.get(address)).text
    [seen] = re.findall(r'hx-get="(/signup/[^"]+)"', waiting)
    assert (await site.get(seen)).headers["hx-refresh"] == "true"
    await billing.worker.drain()
    agreement = await billing.agreement(tenant)
    assert (agreement.status, agreement.has_method, sorted(agreement.items)) == ("trialing", True, ["module.agenda", "plan.solo"])
    assert len(billing.v1.subscriptions.list().data) == 1
    assert (await reservation(billing)).form is None


async def test_a_card_is_found_though_nobody_came_back_to_our_page(billing, site):
    _, page = await to_the_card(site)
    billing.provider.post(page, card="4242424242424242")
    billing.move(minutes=2)
    await look(billing)
    assert len(await tenants(billing)) == 1


async def test_what_is_never_finished_leaves_nothing_here_or_at_the_provider(billing, site):
    address, page = await to_the_card(site)
    [customer] = billing.v1.customers.list().data
    billing.move(days=3, minutes=1)
    for _ in range(2):
        await look(billing)
    row = await reservation(billing)
    assert (row.state, row.form) == (ReservationState.ENDED, None)
    assert await tenants(billing) == []
    assert billing.v1.customers.list().data == []
    assert billing.provider.post(page, card="4242424242424242").status_code == 410
    assert billing.v1.subscriptions.list({"customer": customer.id}).data == []
    assert "Nothing was charged" in (await site.get(address)).text
    billing.move(days=31)
    await look(billing)
    async with billing.platform.database.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(Reservation)) == 0


async def test_what_was_paid_for_a_clinic_that_cannot_be_opened_goes_back(billing, site, runtime_environment):
    await sell_without_trial(billing)
    address, page = await to_the_card(site)
    billing.provider.post(page, card="4242424242424242")
    [paid] = billing.v1.charges.list().data
    assert paid.amount == 4100
    # Meanwhile a release came out that the module is not in.
    runtime_environment.describe({name: facts for name, facts in MODULES.items() if name not in ("agenda", "inventory")})
    async with api_of(billing.platform) as operator:
        await operator.post("/v1/releases/refresh")
    await site.get(f"{address}?checkout=cs_whatever")
    for _ in range(2):
        await look(billing)
    assert (await reservation(billing)).state is ReservationState.ENDED
    assert await tenants(billing) == []
    [given_back] = billing.v1.charges.list().data
    assert given_back.amount_refunded == 4100
    assert [one.status for one in billing.v1.subscriptions.list({"status": "all"}).data] == ["canceled"]
    text = (await site.get(address)).text
    assert "given back in full" in text
    assert "agenda" in text


async def test_while_the_provider_is_away_the_form_is_kept_and_goes_on_by_the_link(billing, site):
    billing.provider.do("outage", on=True)
    try:
        address = (await send(site)).headers["location"]
        assert "does not answer at the moment" in (await site.get(address)).text
    finally:
        billing.provider.do("outage", on=False)
    mails = [file.read_text(encoding="utf-8") for file in billing.platform.settings.mails.glob("*.eml")]
    assert mails == []  # the outbox has it; the worker sends it
    again = await site.post(f"{address}/card")
    assert again.headers["location"] == f"{address}/card"
    assert "refresh" in (await site.get(f"{address}/card")).text
    assert len(billing.v1.customers.list().data) == 1


async def test_a_page_that_is_over_is_followed_by_another_one(billing, site):
    address, page = await to_the_card(site)
    billing.move(hours=25)
    await site.post(f"{address}/card")
    [another] = re.findall(r'content="0; url=([^"]+)"', (await site.get(f"{address}/card")).text)
    assert another != page
    billing.provider.post(another, card="4242424242424242")
    await site.get(f"{address}?checkout=cs_whatever")
    await look(billing)
    assert len(await tenants(billing)) == 1


async def test_a_short_name_taken_while_the_card_was_typed_costs_nobody_the_clinic(billing, site):
    address, page = await to_the_card(site, slug="sol")
    async with api_of(billing.platform) as operator:
        new = {"name": "Sol", "slug": "sol", "country": "ES", "owner_email": "otro@sol.example", "modules": []}
        assert (await operator.post("/v1/tenants", json=new)).status_code == 202
    billing.provider.post(page, card="4242424242424242")
    await site.get(f"{address}?checkout=cs_whatever")
    await look(billing)
    assert sorted(tenant.slug for tenant in await tenants(billing)) == ["clinica-sol", "sol"]


async def test_who_would_rather_try_first_opens_the_clinic_without_a_card(billing, site):
    address, page = await to_the_card(site)
    assert (await site.post(f"{address}/trial")).status_code == 303
    [tenant] = await tenants(billing)
    assert billing.provider.post(page, card="4242424242424242").status_code == 410
    await billing.worker.drain()
    agreement = await billing.agreement(tenant)
    assert (agreement.status, agreement.has_method) == ("trialing", False)
    assert len(billing.v1.customers.list().data) == 1


async def test_sending_the_form_twice_asks_for_one_card(billing, site):
    [token] = re.findall(r'name="token" value="([^"]+)"', (await site.get("/signup")).text)
    for _ in range(2):
        answer = await site.post("/signup", data={"token": token, **SPAIN})
        assert answer.headers["location"] == f"/signup/{token}/card"
    other = await site.post("/signup", data={"token": token, **SPAIN, "name": "Clínica Luna"})
    assert other.status_code == 422
    await reservation(billing)


async def test_a_trial_begins_without_a_card_where_one_is_optional(billing, site):
    assert "Demonstration: no money moves" in (await site.get("/signup")).text
    response = await send(site, payment="trial", plan="practice")
    assert response.status_code == 303
    await billing.worker.drain()
    [tenant] = await tenants(billing)
    agreement = await billing.agreement(tenant)
    assert (agreement.status, list(agreement.items)) == ("trialing", ["plan.practice"])

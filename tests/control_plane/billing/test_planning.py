"""`PUT …/modules` and `POST …/plan` show what was agreed and what is charged at once, as a preview does: there is one price."""

from decimal import Decimal

import pytest

from control_plane.billing.states import ProviderName
from tests.control_plane.billing.test_changing import paying
from tests.support.platform import api_of


@pytest.fixture
async def transfers_sol(transfers, clock):
    """A clinic on another plan than the default one, in the middle of its first paid month."""
    sol = await transfers.tenant(modules=("agenda",))
    await transfers.agree(sol, plan="practice", provider=ProviderName.MANUAL, trial_days=0)
    clock.advance(days=10)
    return sol


async def test_the_agreed_price_is_shown_and_what_is_shown_is_charged(transfers, transfers_sol, clock):
    async with api_of(transfers.platform) as client:
        wanted = {"modules": ["agenda", "inventory"]}
        preview = (await client.post("/v1/tenants/sol/billing/preview", json=wanted)).json()
        plan = (await client.post("/v1/tenants/sol/plan", json=wanted)).json()
        price = plan["price"]
        assert (price["agreed"], price["plan"], price["before"], price["after"]) == (True, "practice", "59.00", "68.00")
        assert (price["now"], price["confirmation"]) == (preview["now"], preview["confirmation"])
        assert {one["name"]: one["price"] for one in plan["install"] + plan["keep"]} == {
            "patients": "0.00",
            "agenda": "0.00",
            "inventory": "9.00",
        }

        changed = await client.put("/v1/tenants/sol/modules", json=wanted)
        shown = changed.json()["price"]
        assert (changed.status_code, shown["now"], shown["after"]) == (202, preview["now"], "68.00")
        # The modules take their time: what was shown is charged all the same.
        clock.advance(minutes=10)
        await transfers.worker.drain()
        await transfers.bill(transfers_sol)
        newest, _ = await transfers.invoices(transfers_sol)
        assert newest.net == Decimal(shown["now"]) > 0

        again = await client.put("/v1/tenants/sol/modules", json=wanted)
        assert (again.status_code, again.json()["price"]["now"]) == (200, "0.00")
    assert (await transfers.agreement(transfers_sol)).prorate_at is None


async def test_without_an_agreement_it_is_said_that_nobody_is_charged(transfers):
    await transfers.tenant(modules=("agenda",))
    async with api_of(transfers.platform) as client:
        price = (await client.post("/v1/tenants/sol/plan", json={"modules": ["agenda", "inventory"]})).json()["price"]
    assert (price["agreed"], price["now"], price["before"], price["after"]) == (False, None, "41.00", "50.00")


async def test_modules_can_be_changed_while_the_provider_is_away_and_no_amount_is_guessed(billing, double):
    await paying(billing, modules=("agenda",))
    double.do("outage", on=True)
    async with api_of(billing.platform) as client:
        changed = await client.put("/v1/tenants/sol/modules", json={"modules": ["agenda", "inventory"]})
    double.do("outage", on=False)
    price = changed.json()["price"]
    assert (changed.status_code, price["now"], price["before"], price["after"]) == (202, None, "41.00", "50.00")

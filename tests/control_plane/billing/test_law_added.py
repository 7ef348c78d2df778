"""What the law adds costs nothing, with all that comes with it, until somebody chooses it; unless the tariff says otherwise."""

from decimal import Decimal

import pytest

from control_plane.billing.agreements import free_of
from control_plane.law.dates import keep_up
from control_plane.plans import official_tariff
from control_plane.plans import service as plans
from control_plane.plans.tariff import Tariff
from control_plane.revisions.document import ModulePart
from control_plane.tenants import service as tenants
from tests.support.billing import OPERATOR

COMPANY = "B58378431"
PRICE = {"EUR": "7.00", "GBP": "7.00", "CHF": "7.00"}


def tariff(*, free: bool) -> Tariff:
    document = official_tariff().model_dump(mode="json")
    modules = {**document["modules"], "billing": PRICE, "verifactu": PRICE}
    return Tariff.model_validate({**document, "id": "2026-11b", "law_adds_for_free": free, "modules": modules})


def part(name, kind, *by):
    return ModulePart.model_validate({"name": name, "version": "1.0.0", "reason": {"kind": kind, "by": list(by), "text": kind}})


def test_what_only_free_modules_need_is_free_and_what_a_chosen_one_needs_as_well_is_not():
    modules = [
        part("verifactu", "required_by_law", "es-verifactu"),
        part("billing", "needed_by", "verifactu"),
        part("ledger", "needed_by", "billing"),
        part("catalog", "needed_by", "billing", "agenda"),
        part("agenda", "chosen"),
        part("stuck", "needed_by"),
    ]
    assert free_of(tariff(free=True), modules) == {"verifactu", "billing", "ledger", "stuck"}
    assert free_of(tariff(free=False), modules) == frozenset()


@pytest.fixture
def day_of_the_law(billing):
    """The law's date passes for the clinic sol, which has agreed to a tariff in which everything costs something."""

    async def day_of_the_law(*, free):
        async with billing.platform.database.transaction() as session:
            await plans.publish(session, tariff(free=free), actor=OPERATOR, at=billing.platform.clock.now())
        sol = await billing.tenant("sol", tax_id=COMPANY)
        await billing.agree(sol, trial_days=30)
        assert (await billing.agreement(sol)).items == {"plan.solo": "29.00"}
        billing.platform.clock.move_to("2027-01-01")
        billing.move(hours=1)
        await keep_up(billing.platform)
        await billing.worker.drain()
        await billing.worker.run_passes("billing")
        await billing.worker.drain()
        return sol

    return day_of_the_law


async def test_a_module_that_a_law_s_date_made_obligatory_is_there_and_costs_nothing_until_it_is_chosen(billing, day_of_the_law):
    sol = await day_of_the_law(free=True)
    there = {module["name"]: module["reason"]["kind"] for module in billing.platform.deployer.told(sol.id)["revision"]["modules"]}
    assert (there["verifactu"], there["billing"]) == ("required_by_law", "needed_by")
    agreement = await billing.agreement(sol)
    assert agreement.items == {"plan.solo": "29.00"}
    async with billing.platform.database.transaction() as session:
        assert agreement.generation == (await tenants.find(session, "sol")).generation, "it was looked at, not forgotten"
        locked = await tenants.find(session, "sol", lock=True)
        await tenants.change_modules(session, billing.platform, locked, frozenset({"billing"}), actor=OPERATOR)
    await billing.worker.drain()
    agreement = await billing.bill(sol)
    assert {item: Decimal(amount) for item, amount in agreement.items.items()} == {"plan.solo": 29, "module.billing": 7}


async def test_where_the_tariff_gives_nothing_for_free_the_law_s_modules_are_charged(billing, day_of_the_law):
    sol = await day_of_the_law(free=False)
    items = {item: Decimal(amount) for item, amount in (await billing.agreement(sol)).items.items()}
    assert items == {"plan.solo": 29, "module.billing": 7, "module.verifactu": 7}

"""The ladder with a payment provider behind it: a refused card leads up, a good one down; an ended trial is never an unpaid invoice."""

import pytest

from control_plane.billing.ladder import Rung
from control_plane.standing import service as standing
from control_plane.standing.states import Why


@pytest.fixture
def where(billing):
    """Read the provider, let the pass look, carry out what follows; where the clinic stands then, and what its runtime was told."""

    async def where(tenant):
        await billing.bill(tenant)
        await billing.worker.run_passes("standing")
        await billing.worker.drain()
        async with billing.platform.database.transaction() as session:
            row = await standing.of(session, tenant.id)
        return row.state, row.why, billing.platform.deployer.told(tenant.id)["revision"]["mode"]

    return where


async def weeks(billing, where, tenant, count):
    for _ in range(count):
        billing.move(days=7)
        last = await where(tenant)
    return last


async def test_a_refused_card_leads_up_the_ladder_and_a_new_one_pays_and_leads_down(billing, where):
    sol = await billing.trial()
    await billing.card(sol, "pm_card_chargeCustomerFail")
    billing.move(days=31)

    assert await where(sol) == (Rung.BANNER, Why.UNPAID, "normal")
    assert await weeks(billing, where, sol, 5) == (Rung.READ_ONLY, Why.UNPAID, "read_only")

    await billing.card(sol)
    assert await where(sol) == (Rung.NONE, None, "normal")
    assert all(not invoice.status.owed for invoice in await billing.invoices(sol))


async def test_a_trial_that_ends_without_a_card_owes_nothing_and_a_card_leads_back(billing, where):
    luna = await billing.trial("luna")
    assert await where(luna) == (Rung.NONE, None, "normal")
    billing.move(days=31)

    assert await where(luna) == (Rung.BANNER, Why.TRIAL_OVER, "normal")
    assert (await billing.agreement(luna)).overdue_since is None

    await billing.card(luna)
    assert await where(luna) == (Rung.NONE, None, "normal")


async def test_an_agreement_that_ended_in_the_middle_of_a_month_ended_then_and_not_every_day_anew(billing, where):
    sol = await billing.trial()
    await billing.card(sol)
    billing.move(days=31)
    await billing.bill(sol)
    billing.v1.subscriptions.cancel((await billing.agreement(sol)).subscription)
    ended = billing.platform.clock.now().replace(microsecond=0)

    assert await where(sol) == (Rung.BANNER, Why.ENDED, "normal")
    assert await weeks(billing, where, sol, 3) == (Rung.NO_NEW_MODULES, Why.ENDED, "normal")

    async with billing.platform.database.transaction() as session:
        row = await standing.of(session, sol.id)
    assert abs((row.since - ended).total_seconds()) < 60

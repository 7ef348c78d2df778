"""From agreeing on a plan to a subscription at the provider, whatever happens in between."""

from datetime import timedelta
from decimal import Decimal

import pytest

from control_plane.billing.errors import AgreedAlready, NoAgreement, TrialNotOffered
from control_plane.plans import official_tariff


async def test_a_trial_without_a_card_is_begun_at_the_provider(billing):
    sol = await billing.trial(modules=("agenda",))

    agreement = await billing.agreement(sol)
    assert (agreement.status, agreement.tariff, agreement.currency) == ("trialing", official_tariff().id, "EUR")
    assert agreement.items == {"plan.solo": "29", "module.agenda": "12"} or agreement.items == {
        "plan.solo": "29.00",
        "module.agenda": "12.00",
    }
    assert agreement.trial_ends == billing.platform.clock.now() + timedelta(days=30)
    assert (agreement.has_method, agreement.overdue_since) == (False, None)
    (subscription,) = billing.v1.subscriptions.list({"customer": agreement.customer}).data
    assert subscription.id == agreement.subscription


async def test_what_the_provider_cannot_do_now_is_done_when_it_is_back(billing, double):
    sol = await billing.tenant()
    double.do("outage", on=True)
    await billing.agree(sol)
    assert (await billing.agreement(sol)).status == "new"
    double.do("outage", on=False)
    billing.move(hours=1)
    await billing.worker.drain()
    assert (await billing.agreement(sol)).status == "trialing"


async def test_agreeing_is_refused_where_it_means_nothing(billing):
    sol = await billing.tenant()
    with pytest.raises(NoAgreement):
        await billing.agreement(sol)
    with pytest.raises(TrialNotOffered, match="at most 30 days"):
        await billing.agree(sol, trial_days=31)
    await billing.agree(sol)
    with pytest.raises(AgreedAlready, match="has agreed to the plan solo"):
        await billing.agree(sol)
    assert Decimal((await billing.agreement(sol)).items["plan.solo"]) == Decimal("29.00")

"""What was confirmed or asked for is charged as it was shown and done once, whatever dies, waits or begins anew in between."""

from datetime import timedelta
from decimal import Decimal

import pytest

from control_plane.billing import agreements, service
from control_plane.billing.errors import PreviewOutdated
from control_plane.payments.errors import ProviderUnavailable
from control_plane.tenants import service as tenants
from tests.support.billing import OPERATOR, billing_of

EUR = Decimal


async def shown(billing, tenant, **wanted):
    async with billing.platform.database.transaction() as session:
        return await service.preview(session, billing.platform, tenant, **wanted)


async def confirm(billing, tenant, preview, **wanted):
    async with billing.platform.database.transaction() as session:
        locked = await tenants.find(session, tenant.slug, lock=True)
        how = {"at": preview.at, "confirmation": preview.confirmation, "actor": OPERATOR}
        await service.change(session, billing.platform, locked, **how, **wanted)


async def paying(billing, **terms):
    """A clinic at the beginning of its first paid month."""
    sol = await billing.trial(**terms)
    await billing.card(sol)
    billing.move(days=31)
    await billing.bill(sol)
    return sol


async def passes(billing):
    await billing.worker.run_passes("billing")
    await billing.worker.drain()


async def test_what_could_only_be_done_in_the_next_month_is_charged_from_its_beginning(billing, deployer):
    """The module came after the month in which it was confirmed: the month before was paid for without it."""
    sol = await paying(billing)
    deployer.behave(sol.id, fails="no space left on the machine")
    preview = await shown(billing, sol, modules=["agenda"])
    await confirm(billing, sol, preview, modules=["agenda"])
    await billing.worker.drain()
    billing.move(days=32)
    assert (await billing.bill(sol)).items == {"plan.solo": "29.00"}

    deployer.behave(sol.id)
    async with billing.platform.database.transaction() as session:
        locked = await tenants.find(session, "sol", lock=True)
        await tenants.change_modules(session, billing.platform, locked, frozenset({"agenda"}), actor=OPERATOR)
    await billing.worker.drain()
    agreement = await billing.bill(sol)

    assert agreement.items == {"module.agenda": "12.00", "plan.solo": "29.00"}
    assert (await billing.invoices(sol))[0].net == EUR("12.00")
    assert agreement.prorate_at is None


async def test_a_preview_of_the_last_minutes_of_a_month_is_not_confirmed_in_the_next(billing):
    sol = await paying(billing)
    agreement = await billing.agreement(sol)
    last = agreement.period_ends - timedelta(minutes=10) - billing.platform.clock.now()
    billing.move(seconds=last.total_seconds())
    preview = await shown(billing, sol, plan="practice")
    assert preview.now < EUR("0.10")
    billing.move(minutes=20)
    with pytest.raises(PreviewOutdated, match="a new month has begun"):
        await confirm(billing, sol, preview, plan="practice")


async def test_an_attempt_that_died_is_followed_by_one_for_what_is_wanted_then(billing):
    """The charge went through and its answer was lost; meanwhile somebody chose something else."""
    sol = await paying(billing)
    provider = billing.platform.payments.get("stripe")
    charge = provider.set_items

    async def lost(*asked, **how):
        await charge(*asked, **how)
        raise ProviderUnavailable("the answer was lost")

    provider.set_items = lost
    preview = await shown(billing, sol, plan="practice")
    await confirm(billing, sol, preview, plan="practice")
    await billing.worker.drain()
    assert (await billing.agreement(sol)).items == {"plan.solo": "29.00"}
    provider.set_items = charge
    billing.platform.clock.advance(minutes=30)
    async with billing.platform.database.transaction() as session:
        (waiting,) = await agreements.operations.open_operations(session, sol.id)
    preview = await shown(billing, sol, plan="group")
    await confirm(billing, sol, preview, plan="group")
    await billing.worker.drain()

    async with billing.platform.database.transaction() as session:
        assert await agreements.operations.open_operations(session, sol.id) == []
        assert (await session.get(type(waiting), waiting.id)).state == "succeeded"
    assert (await billing.agreement(sol)).items == {"plan.group": "149.00"}


async def test_what_is_changed_while_nothing_runs_is_charged_once_when_it_goes_on(billing):
    luna = await billing.trial("luna")
    billing.move(days=31)
    assert (await billing.bill(luna)).status == "paused"
    preview = await shown(billing, luna, plan="practice")
    assert (preview.now, preview.after.total) == (EUR("0.00"), EUR("59.00"))
    await confirm(billing, luna, preview, plan="practice")
    await billing.worker.drain()
    await billing.card(luna)

    agreement = await billing.bill(luna)

    assert (agreement.status, agreement.items) == ("active", {"plan.practice": "59.00"})
    assert [one.net for one in await billing.invoices(luna) if one.total] == [EUR("59.00")]


async def test_a_wish_that_could_not_be_told_is_told_as_soon_as_it_can_be(billing, double):
    """With the wrong key for an hour the operation fails for good; the end that was asked for is not forgotten till the next month."""
    sol = await paying(billing)
    async with billing_of(billing.platform, double) as other:
        async with other.platform.database.transaction() as session:
            locked = await tenants.find(session, "sol", lock=True)
            operation = await service.end(session, other.platform, locked, reason="retired", actor=OPERATOR)
        await other.worker.drain()
    async with billing.platform.database.transaction() as session:
        assert (await session.get(type(operation), operation.id)).error_code == "payment_wrong_account"
    await passes(billing)
    assert not (await billing.agreement(sol)).cancels_at_period_end, "once an hour, not again and again"

    billing.move(minutes=61)
    await passes(billing)

    agreement = await billing.agreement(sol)
    assert (agreement.cancels_at_period_end, agreement.cancel_asked) == (True, None)


async def test_the_number_of_one_currency_is_never_charged_in_another(billing):
    sol = await paying(billing)
    async with billing.platform.database.transaction() as session:
        row = await agreements.require(session, sol, lock=True)
        row.currency, row.plan = "CHF", "practice"
    agreement = await billing.bill(sol)
    assert (agreement.items, agreement.problem_code) == ({"plan.solo": "29.00"}, "currency_differs")

"""A change of plan or modules: what is shown before is what is charged, and nothing is charged that is not there."""

from decimal import Decimal

import pytest

from control_plane.billing import service
from control_plane.billing.errors import PreviewOutdated, SubscriptionOver
from control_plane.tenants import service as tenants
from tests.support.billing import OPERATOR


@pytest.fixture
def shown(billing):
    async def shown(tenant, **wanted):
        async with billing.platform.database.transaction() as session:
            return await service.preview(session, billing.platform, tenant, **wanted)

    return shown


@pytest.fixture
def confirm(billing):
    async def confirm(tenant, preview, *, work=True, **wanted):
        async with billing.platform.database.transaction() as session:
            locked = await tenants.find(session, tenant.slug, lock=True)
            how = {"at": preview.at, "confirmation": preview.confirmation, "actor": OPERATOR}
            await service.change(session, billing.platform, locked, **how, **wanted)
        if work:
            await billing.worker.drain()

    return confirm


async def paying(billing, **terms):
    """A clinic in its first paid month."""
    sol = await billing.trial(**terms)
    await billing.card(sol)
    billing.move(days=31)
    await billing.bill(sol)
    return sol


async def test_what_a_module_costs_is_shown_before_and_charged_so(billing, shown, confirm):
    sol = await paying(billing)
    billing.move(days=10)

    preview = await shown(sol, modules=["agenda"])
    assert (preview.before.total, preview.after.total) == (Decimal("29.00"), Decimal("41.00"))
    assert Decimal("0.00") < preview.now < Decimal("12.00")
    assert "agenda" in [change.name for change in preview.effects.install]
    billing.move(minutes=20)
    await confirm(sol, preview, modules=["agenda"])

    agreement = await billing.agreement(sol)
    assert agreement.items == {"module.agenda": "12.00", "plan.solo": "29.00"}
    newest = (await billing.invoices(sol))[0]
    assert (newest.net, newest.status) == (preview.now, "paid")
    assert sum(Decimal(line["amount"]) for line in newest.lines) == newest.net
    made = await billing.invoices(sol)
    assert [invoice.net for invoice in made] == [preview.now, Decimal("29.00"), Decimal("0.00")], "the change, the month, the trial"
    charged = [invoice.id for invoice in made]
    assert (await billing.bill(sol)).reading > agreement.reading
    assert [invoice.id for invoice in await billing.invoices(sol)] == charged, "reading again charges nothing again"


async def test_in_a_trial_a_change_costs_nothing_until_it_ends(billing, shown, confirm):
    sol = await billing.trial()
    preview = await shown(sol, plan="practice", modules=["inventory"])
    assert (preview.now, preview.after.total) == (Decimal("0.00"), Decimal("68.00"))
    assert preview.trial_ends == (await billing.agreement(sol)).trial_ends
    await confirm(sol, preview, plan="practice", modules=["inventory"])
    assert (await billing.agreement(sol)).items == {"module.inventory": "9.00", "plan.practice": "59.00"}
    assert await billing.invoices(sol) == [] or all(one.total == 0 for one in await billing.invoices(sol))


async def test_a_module_that_could_not_be_installed_is_not_charged_until_it_is(billing, deployer, shown, confirm):
    sol = await paying(billing)
    deployer.behave(sol.id, fails="no space left on the machine")
    preview = await shown(sol, modules=["agenda"])
    await confirm(sol, preview, modules=["agenda"])
    for _ in range(3):
        billing.move(minutes=10)
        await billing.worker.drain()
    assert (await billing.bill(sol)).items == {"plan.solo": "29.00"}

    deployer.behave(sol.id)
    async with billing.platform.database.transaction() as session:
        locked = await tenants.find(session, "sol", lock=True)
        await tenants.change_modules(session, billing.platform, locked, frozenset({"agenda"}), actor=OPERATOR)
    await billing.worker.drain()
    await billing.worker.run_passes("billing")
    await billing.worker.drain()
    assert (await billing.agreement(sol)).items == {"module.agenda": "12.00", "plan.solo": "29.00"}


async def test_only_what_was_shown_can_be_confirmed(billing, shown, confirm):
    sol = await billing.trial()
    preview = await shown(sol, modules=["agenda"])
    with pytest.raises(PreviewOutdated, match="something changed since"):
        await confirm(sol, preview, modules=["inventory"])
    billing.move(hours=2)
    with pytest.raises(PreviewOutdated, match="older than an hour"):
        await confirm(sol, preview, modules=["agenda"])
    assert (await billing.agreement(sol)).items == {"plan.solo": "29.00"}


async def test_what_the_law_adds_costs_nothing(billing):
    """The clinic did not choose it and cannot be rid of it; whoever chooses it pays for it."""
    sol = await billing.trial()
    async with billing.platform.database.transaction() as session:
        agreement = await billing.require(session, sol)
        quote, content = await service.quote(session, sol, agreement)
    by_law = {module.name for module in content.modules if module.reason.kind == "required_by_law"}
    assert all(line.included for line in quote.lines if line.module in by_law)
    assert quote.total == Decimal("29.00")


async def test_an_end_comes_with_the_period_and_can_be_taken_back(billing, shown):
    sol = await paying(billing)

    async def ask(what, **how):
        async with billing.platform.database.transaction() as session:
            locked = await tenants.find(session, "sol", lock=True)
            await what(session, billing.platform, locked, actor=OPERATOR, **how)
        await billing.worker.drain()
        return await billing.agreement(sol)

    assert (await ask(service.end, reason="retired")).cancels_at_period_end
    assert not (await ask(service.keep)).cancels_at_period_end
    await ask(service.end, reason="retired after all")
    billing.move(days=32)
    agreement = await billing.bill(sol)
    assert agreement.status == "canceled"
    with pytest.raises(SubscriptionOver):
        await shown(sol, modules=["agenda"])

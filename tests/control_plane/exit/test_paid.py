"""What an erasure does to whoever paid."""

import pytest

from control_plane.access.actors import Actor
from control_plane.billing.states import ProviderName
from control_plane.exit import deletions, erasing
from control_plane.payments.manual.models import ManualCustomer
from control_plane.tenants import service as tenants
from tests.support.billing import billing_of
from tests.support.payment_provider import serving

OPERATOR = Actor.operator("tests")


@pytest.fixture
async def billing(platform):
    with serving(manual=True) as provider:
        async with billing_of(platform, provider) as made:
            yield made


async def test_a_deleted_clinic_pays_no_more_and_an_erased_one_is_unknown_at_the_provider(billing):
    sol = await billing.tenant()
    await billing.agree(sol, provider=ProviderName.MANUAL, trial_days=30)
    by_transfer = await billing.agreement(sol)
    await billing.platform.payments.get(ProviderName.MANUAL).cancel(by_transfer.subscription, at_period_end=False, key="over")
    await billing.bill(sol)
    await billing.agree(sol, trial_days=30)
    await billing.card(sol)
    customer = (await billing.agreement(sol)).customer
    platform = billing.platform
    async with platform.database.transaction() as session:
        locked = await tenants.find(session, "sol", lock=True)
        await deletions.delete(session, platform, locked, actor=OPERATOR)
    await billing.worker.drain()
    await billing.worker.run_passes("billing")
    await billing.worker.drain()
    assert (await billing.agreement(sol)).cancels_at_period_end, "nobody is charged for a clinic that is closed"

    async with platform.database.transaction() as session:
        locked = await tenants.find(session, "sol", lock=True)
        await deletions.delete(session, platform, locked, actor=OPERATOR, at_once=True, confirm="sol")
    await billing.worker.drain()
    await billing.worker.run_passes("billing")
    await billing.worker.drain()
    assert (await billing.agreement(sol)).status == "canceled"

    async with platform.database.transaction() as session:
        locked = await tenants.find(session, "sol", lock=True)
        erasure = await erasing.request(session, platform, locked, actor=OPERATOR, reason="asked by letter", handed_over=False)
    await billing.worker.drain()
    assert billing.v1.customers.retrieve(customer).deleted
    async with platform.database.transaction() as session:
        receipts = {one.system: one for one in await erasing.receipts(session, erasure)}
        before = await session.get_one(ManualCustomer, by_transfer.customer)
    assert (before.name, before.tax_id) == ("(erased)", None), "nor where it paid before"
    assert receipts["payment_provider"].status == "kept"
    assert "art. 244" in receipts["payment_provider"].law

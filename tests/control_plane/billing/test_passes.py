"""What is compared every night: orphans are ended or shown, and what is wrong with one holds up none of the others."""

from uuid import uuid4

import pytest
from sqlalchemy import select

from control_plane.audit.models import AuditEntry
from control_plane.payments.errors import ProviderRefused
from control_plane.tenants import service as tenants


@pytest.fixture
def said(billing):
    """(action, subscription) of what the audit says of orphans."""

    async def said():
        async with billing.platform.database.transaction() as session:
            query = select(AuditEntry).where(AuditEntry.action.startswith("billing.orphan")).order_by(AuditEntry.number)
            return [(entry.action, entry.details["subscription"]) for entry in await session.scalars(query)]

    return said


def orphan(billing, *, tenant, card=None):
    """A subscription that says whose it is and that no agreement names, as a sign-up leaves it that died."""
    v1 = billing.v1
    customer = v1.customers.create({"name": "Nobody"}).id
    if card:
        stored = v1.payment_methods.attach(card, {"customer": customer})
        v1.customers.update(customer, {"invoice_settings": {"default_payment_method": stored.id}})
    product = v1.products.create({"name": "Solo"}).id
    asked = {"product": product, "currency": "eur", "unit_amount": 2900, "recurring": {"interval": "month"}}
    items = [{"price": v1.prices.create(asked).id}]
    trial = {} if card else {"trial_period_days": 30}
    return v1.subscriptions.create({"customer": customer, "items": items, "metadata": {"tenant": str(tenant)}, **trial}).id


def status(billing, subscription):
    return billing.v1.subscriptions.retrieve(subscription).status


async def reconcile(billing):
    await billing.worker.run_passes("billing_reconcile")


async def test_what_nobody_uses_and_nobody_paid_for_is_ended_after_a_day(billing, said):
    unpaid, somebodys = orphan(billing, tenant=uuid4()), orphan(billing, tenant="not of this platform")
    await reconcile(billing)
    assert (status(billing, unpaid), await said()) == ("trialing", []), "whoever makes one writes it down within minutes"

    billing.move(days=1, minutes=1)
    await reconcile(billing)
    assert (status(billing, unpaid), status(billing, somebodys)) == ("canceled", "trialing")
    assert await said() == [("billing.orphan_ended", unpaid)]

    await reconcile(billing)
    assert await said() == [("billing.orphan_ended", unpaid)]


async def test_what_somebody_pays_for_is_shown_to_a_person_and_not_ended(billing, said):
    paid = orphan(billing, tenant=uuid4(), card="pm_card_visa")
    billing.move(days=2)
    await reconcile(billing)
    assert status(billing, paid) == "active"
    assert await said() == [("billing.orphan_found", paid)]


async def test_one_that_cannot_be_ended_holds_up_none_of_the_others(billing, said):
    first, second = orphan(billing, tenant=uuid4()), orphan(billing, tenant=uuid4())
    luna = await billing.trial("luna")
    await billing.card(luna)
    billing.move(days=2)
    provider = billing.platform.payments.get("stripe")
    cancel = provider.cancel

    async def refuses(subscription, **how):
        if subscription == second:
            raise ProviderRefused("this key may not")
        return await cancel(subscription, **how)

    provider.cancel = refuses
    await reconcile(billing)
    await billing.worker.run_passes("billing")
    await billing.worker.drain()

    assert (status(billing, first), status(billing, second)) == ("canceled", "trialing")
    assert (await billing.agreement(luna)).has_method


async def test_a_clinic_that_somebody_holds_keeps_no_other_waiting(billing):
    sol, luna = await billing.trial("sol"), await billing.trial("luna")
    await billing.card(luna)
    billing.move(days=40)
    async with billing.platform.database.transaction() as session:
        await tenants.find(session, sol.slug, lock=True)
        await billing.worker.run_passes("billing")
    await billing.worker.drain()
    assert [(await billing.agreement(one)).status for one in (sol, luna)] == ["trialing", "active"]
    await billing.worker.run_passes("billing")
    await billing.worker.drain()
    assert (await billing.agreement(sol)).status == "paused"

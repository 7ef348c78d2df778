"""A clinic pays once: one page, one subscription, one customer who is the one that pays."""

import pytest
from sqlalchemy import select

from control_plane.access.actors import Actor
from control_plane.access.models import Reseller
from control_plane.audit.models import AuditEntry
from control_plane.billing import service
from control_plane.billing.errors import NothingToPayHere, SubscriptionOver
from control_plane.billing.states import Begins, PayerKind, ProviderName
from control_plane.exit import deletions
from control_plane.resellers import service as resellers
from control_plane.resellers.schemas import NewTerms
from control_plane.tenants import service as tenants
from tests.support.billing import OPERATOR

CARD = "4242424242424242"


@pytest.fixture
def page(billing):
    async def page(tenant):
        async with billing.platform.database.transaction() as session:
            return await service.checkout(session, billing.platform, tenant, back="http://platform.example/account", actor=OPERATOR)

    return page


@pytest.fixture
async def with_page(billing):
    """A clinic that is to subscribe on the provider's page, without a trial."""
    sol = await billing.tenant()
    await billing.agree(sol, begins=Begins.CHECKOUT, trial_days=0)
    return sol


def sessions(billing):
    return billing.provider.double.account(billing.key).book.all("checkout.session")


async def test_a_page_asked_for_twice_before_the_first_was_written_down_is_one_page(billing, with_page, page):
    async with billing.platform.database.transaction() as session:
        await service.checkout(session, billing.platform, with_page, back="http://platform.example/account", actor=OPERATOR)
        second = await page(with_page)
        await session.rollback()
    assert [one["id"] for one in sessions(billing)] == [second.id]


async def test_the_page_before_is_closed_by_the_next_one(billing, with_page, page):
    first, second = await page(with_page), await page(with_page)
    assert {one["id"]: one["status"] for one in sessions(billing)} == {first.id: "expired", second.id: "open"}


async def test_a_trial_that_ends_tomorrow_is_long_enough_for_the_page(billing, page):
    sol = await billing.tenant()
    await billing.agree(sol, begins=Begins.CHECKOUT, trial_days=1)
    billing.provider.do("checkout", session=(await page(sol)).id, card=CARD)
    agreement = await billing.bill(sol)
    left = agreement.trial_ends - billing.platform.clock.now()
    assert (agreement.status, left.days) == ("trialing", 2), "the provider takes none that ends within two days"


async def test_of_two_subscriptions_one_stays_and_what_was_paid_for_the_other_is_credited(billing, with_page, page):
    """As when two pages were open, and somebody paid on both."""
    first = await page(with_page)
    provider, customer = billing.platform.payments.get("stripe"), (await billing.agreement(with_page)).customer
    (items,) = [one["_lines"] for one in sessions(billing)]
    asked = {"customer": customer, "items": items, "metadata": {"tenant": str(with_page.id)}}
    billing.provider.do("checkout", session=first.id, card=CARD)
    kept = (await billing.bill(with_page)).subscription
    await billing.card(with_page)
    second = billing.v1.subscriptions.create(asked)
    assert second.status == "active"

    agreement = await billing.bill(with_page)

    assert (agreement.subscription, agreement.status) == (kept, "active")
    assert [one.id for one in await provider.subscriptions(customer) if not one.status.over] == [kept]
    assert billing.v1.customers.retrieve(customer).balance == -2900
    async with billing.platform.database.transaction() as session:
        said = (await session.scalars(select(AuditEntry).where(AuditEntry.action == "billing.double_ended"))).all()
    assert [one.details["subscription"] for one in said] == [second.id]


async def test_what_goes_on_after_the_agreement_is_over_is_shown_to_a_person(billing, with_page, page):
    billing.provider.do("checkout", session=(await page(with_page)).id, card=CARD)
    agreement = await billing.bill(with_page)
    (items,) = [one["_lines"] for one in sessions(billing)]
    billing.v1.subscriptions.cancel(agreement.subscription)
    await billing.card(with_page)
    asked = {"customer": agreement.customer, "items": items, "metadata": {"tenant": str(with_page.id)}}
    other = billing.v1.subscriptions.create(asked)
    billing.move(days=2)
    await billing.worker.run_passes("billing_reconcile")
    await billing.worker.run_passes("billing")
    await billing.worker.drain()

    agreement = await billing.agreement(with_page)

    assert (agreement.status, agreement.problem_code) == ("canceled", "subscription_goes_on")
    assert other.id in agreement.problem
    with pytest.raises(SubscriptionOver):
        await page(with_page)


async def test_who_comes_back_by_another_way_is_another_customer(billing):
    """One provider knows nothing of another's customers."""
    sol = await billing.tenant()
    customers = []
    for provider in (ProviderName.MANUAL, ProviderName.STRIPE, ProviderName.MANUAL):
        await billing.agree(sol, provider=provider, trial_days=30)
        agreement = await billing.agreement(sol)
        customers.append(agreement.customer)
        await billing.platform.payments.get(provider).cancel(agreement.subscription, at_period_end=False, key="over")
        assert (await billing.bill(sol)).status == "canceled"
    assert [customer[:4] for customer in customers] == ["man_", "cus_", "man_"]


async def test_only_its_own_people_are_sent_to_a_reseller_s_card(billing):
    """On the provider's pages stand the card and the invoices of all its clinics."""
    sol = await billing.tenant()
    async with billing.platform.database.transaction() as session:
        terms = NewTerms(wholesale_percent=80, commission_percent=20)
        reseller: Reseller = await resellers.create(session, "North", None, terms, actor=OPERATOR, at=billing.platform.clock.now())
        reseller.billing_email = "accounts@north.example"
    await billing.agree(sol, payer=PayerKind.RESELLER, reseller_id=reseller.id)
    await billing.card(sol, "pm_card_chargeCustomerFail")
    billing.move(days=31)
    await billing.bill(sol)
    (owed,) = [one for one in await billing.invoices(sol) if one.due]
    back = "http://platform.example/account"
    for actor in (Actor("owner", "ana"), Actor("reseller", "eve", reseller_id=sol.id)):
        async with billing.platform.database.transaction() as session:
            for asked in (
                service.portal(session, billing.platform, sol, back=back, actor=actor),
                service.checkout(session, billing.platform, sol, back=back, actor=actor),
                service.pay(session, billing.platform, sol, owed.id, actor=actor),
            ):
                with pytest.raises(NothingToPayHere, match="its reseller pays for it"):
                    await asked
    async with billing.platform.database.transaction() as session:
        staff = Actor("reseller", "ada", reseller_id=reseller.id)
        assert (await service.portal(session, billing.platform, sol, back=back, actor=staff)).url


async def test_the_provider_knows_what_the_clinic_says_of_itself_now_and_keeps_what_was_typed_there(billing):
    sol = await billing.trial()
    customer = (await billing.agreement(sol)).customer
    billing.v1.customers.update(customer, {"email": "accounts@sol.example"})
    await billing.bill(sol)
    assert billing.v1.customers.retrieve(customer).email == "accounts@sol.example", "typed on the provider's page"

    async with billing.platform.database.transaction() as session:
        (await tenants.find(session, "sol", lock=True)).owner_email = "eva@sol.example"
    await billing.bill(sol)
    assert billing.v1.customers.retrieve(customer).email == "eva@sol.example", "the clinic has another owner"
    before = len(billing.provider.double.account(billing.key).book.all("event"))
    await billing.bill(sol)
    assert len(billing.provider.double.account(billing.key).book.all("event")) == before, "what is so already is not said again"


async def test_what_was_written_off_is_still_owed_and_can_be_paid(billing):
    sol = await billing.trial()
    await billing.card(sol, "pm_card_chargeCustomerFail")
    billing.move(days=31)
    await billing.bill(sol)
    (owed,) = [one for one in await billing.invoices(sol) if one.due]
    billing.v1.invoices.mark_uncollectible(owed.id)
    await billing.card(sol)
    agreement = await billing.bill(sol)
    (owed,) = [one for one in await billing.invoices(sol) if one.due]
    assert (owed.status, agreement.overdue_since) == ("uncollectible", owed.created_at), "nobody's card is charged for it unasked"

    async with billing.platform.database.transaction() as session:
        await service.pay(session, billing.platform, sol, owed.id, actor=OPERATOR)
    agreement = await billing.bill(sol)
    assert (agreement.status, agreement.overdue_since) == ("active", None)


async def test_a_clinic_that_is_gone_is_made_known_to_nobody_again(billing, with_page, page):
    await page(with_page)
    async with billing.platform.database.transaction() as session:
        locked = await tenants.find(session, "sol", lock=True)
        await deletions.delete(session, billing.platform, locked, actor=OPERATOR, at_once=True, confirm="sol")
    await billing.worker.drain()
    await billing.platform.payments.get("stripe").forget((await billing.agreement(with_page)).customer)

    agreement = await billing.bill(with_page)

    assert agreement.read_at == billing.platform.clock.now()
    assert billing.v1.customers.list().data == []

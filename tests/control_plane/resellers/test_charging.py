"""A reseller's customer at the payment provider: what it is charged, and what the reseller earns of it."""

from decimal import Decimal

import pytest
from sqlalchemy import select

from control_plane.access import accounts
from control_plane.access.models import Reseller
from control_plane.access.scopes import Kind, Role
from control_plane.billing.states import PayerKind
from control_plane.plans import official_tariff
from control_plane.resellers import opening, service, transfers
from control_plane.resellers.commission import commission
from control_plane.resellers.ledger import collected
from control_plane.resellers.models import CommissionEntry
from control_plane.resellers.schemas import NewTerms
from control_plane.resellers.terms import Payer
from control_plane.tenants import service as tenants
from tests.support.billing import OPERATOR, billing_of
from tests.support.payment_provider import serving


@pytest.fixture(scope="module")
def double():
    with serving(manual=True) as provider:
        yield provider


@pytest.fixture
async def billing(platform, double):
    async with billing_of(platform, double) as made:
        yield made


async def customer(billing, payer):
    """The clinic `sol` of a reseller that asks 35 for what costs 29, at least 80 %, for a commission of 20 %."""
    sol = await billing.tenant()
    now = billing.platform.clock.now()
    async with billing.platform.database.transaction() as session:
        terms = NewTerms(wholesale_percent=Decimal("80.00"), commission_percent=Decimal("20.00"))
        reseller: Reseller = await service.create(session, "North", None, terms, actor=OPERATOR, at=now)
        await accounts.create_account(
            session, kind=Kind.RESELLER, role=Role.ADMIN, email="ada@north.example", name="Ada", reseller_id=reseller.id, at=now
        )
        prices = {"plan.solo": {"EUR": Decimal("35.00")}}
        await service.set_prices(session, reseller, official_tariff(), prices, actor=OPERATOR, at=now)
        await opening.take_in(session, reseller.id, sol, payer=payer, actor=OPERATOR, at=now)
    return sol


async def earned(billing):
    async with billing.platform.database.transaction() as session:
        return list(await session.scalars(select(CommissionEntry).order_by(CommissionEntry.number)))


async def test_the_clinic_is_charged_its_reseller_s_price_and_a_refund_takes_commission_back(billing):
    sol = await customer(billing, Payer.CLINIC)
    await billing.agree(sol, trial_days=1)
    await billing.card(sol)
    billing.move(days=1, hours=2)
    agreement = await billing.bill(sol)
    (invoice,) = [one for one in await billing.invoices(sol) if one.paid]
    first = [(one.kind, one.amount) for one in await earned(billing)]

    payment = billing.v1.invoices.retrieve(invoice.id, {"expand": ["payments"]}).payments.data[0].payment
    billing.v1.refunds.create({"payment_intent": payment.payment_intent, "amount": 1000})
    await billing.bill(sol)
    (invoice,) = [one for one in await billing.invoices(sol) if one.paid]

    assert {item: Decimal(amount) for item, amount in agreement.items.items()} == {"plan.solo": Decimal("35.00")}
    assert (agreement.payer, agreement.reseller_id is not None) == (PayerKind.CLINIC, True)
    assert first == [("paid", Decimal("7.00"))]
    assert invoice.refunded == Decimal("10.00")
    assert sum(one.amount for one in await earned(billing)) == commission(collected(invoice), Decimal(20)) < Decimal("7.00")


async def test_a_reseller_that_pays_is_charged_wholesale_and_earns_no_commission_besides(billing):
    sol = await customer(billing, Payer.RESELLER)
    await billing.agree(sol, trial_days=1)
    agreement = await billing.agreement(sol)
    billed = billing.v1.customers.retrieve(agreement.customer)
    await billing.card(sol)
    billing.move(days=1, hours=2)
    await billing.bill(sol)

    assert {item: Decimal(amount) for item, amount in agreement.items.items()} == {"plan.solo": Decimal("23.20")}
    assert (agreement.payer, billed.name) == (PayerKind.RESELLER, "North")
    assert [one.paid > 0 for one in await billing.invoices(sol) if one.total] == [True]
    assert await earned(billing) == []


async def test_a_reseller_s_clinics_are_one_customer_at_the_provider_and_its_invoices_go_to_the_organisation(billing):
    sol = await customer(billing, Payer.RESELLER)
    now = billing.platform.clock.now()
    async with billing.platform.database.transaction() as session:
        reseller = await session.scalar(select(Reseller))
    luna = await billing.tenant("luna")
    async with billing.platform.database.transaction() as session:
        await opening.take_in(session, reseller.id, luna, payer=Payer.RESELLER, actor=OPERATOR, at=now)
    await billing.agree(sol)
    await billing.agree(luna, plan="practice")
    first, second = await billing.agreement(sol), await billing.agreement(luna)
    billed = billing.v1.customers.retrieve(first.customer)
    async with billing.platform.database.transaction() as session:
        (await session.get_one(Reseller, reseller.id)).billing_email = "accounts@north.example"
    vega = await billing.tenant("vega")
    async with billing.platform.database.transaction() as session:
        await opening.take_in(session, reseller.id, vega, payer=Payer.RESELLER, actor=OPERATOR, at=now)
    await billing.agree(vega)

    assert first.customer == second.customer == (await billing.agreement(vega)).customer
    assert first.subscription != second.subscription
    assert billed.email == "ada@north.example"
    assert billing.v1.customers.retrieve(first.customer).email == "accounts@north.example"
    assert {one.subscription for one in await billing.invoices(sol)} <= {first.subscription}
    assert {one.subscription for one in await billing.invoices(luna)} <= {second.subscription}


async def test_a_transfer_to_a_reseller_that_pays_lets_the_clinic_s_subscription_run_out_and_begins_the_reseller_s(billing):
    sol = await customer(billing, Payer.CLINIC)
    await billing.agree(sol, trial_days=1)
    await billing.card(sol)
    billing.move(days=1, hours=2)
    before = await billing.bill(sol)
    now = billing.platform.clock.now()
    async with billing.platform.database.transaction() as session:
        terms = NewTerms(wholesale_percent=Decimal("90.00"), commission_percent=Decimal("50.00"))
        south = await service.create(session, "South", None, terms, actor=OPERATOR, at=now)
        south.billing_email = "accounts@south.example"
        locked = await tenants.find(session, "sol", lock=True)
        transfer = await transfers.ask(session, billing.platform, locked, south.id, Payer.RESELLER, actor=OPERATOR)
        for party in transfers.parties(transfer):
            await transfers.accept(session, billing.platform, (transfer, locked), party=party, note="agreed", actor=OPERATOR)
    await billing.worker.drain()
    handed = await billing.agreement(sol)
    ending = billing.v1.subscriptions.retrieve(before.subscription)
    billing.move(days=32)
    over = await billing.bill(sol)
    await billing.agree(sol)
    after = await billing.agreement(sol)

    assert (transfer.state, ending.cancel_at_period_end) == ("done", True)
    assert (handed.payer, handed.subscription, handed.customer) == (PayerKind.CLINIC, before.subscription, before.customer)
    assert over.status.over
    assert (after.payer, after.reseller_id, after.customer != before.customer) == (PayerKind.RESELLER, south.id, True)
    assert billing.v1.customers.retrieve(after.customer).email == "accounts@south.example"
    assert after.prices["plan.solo"] == "26.10"
    # What the clinic paid is commission of the reseller it was paid to; the one that pays itself earns none.
    assert {one.reseller_id for one in await earned(billing)} == {before.reseller_id}

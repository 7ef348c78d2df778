"""What people complain about elsewhere (press #5305, #5877, #3526, #5345; polar #11905): each is to be impossible here."""

import pytest

from control_plane.billing import agreements, service
from control_plane.billing.errors import NotBilled
from control_plane.billing.states import ProviderName
from control_plane.operations.kinds import OperationKind
from control_plane.payments.connected import Payments
from control_plane.payments.errors import WrongAccount
from control_plane.payments.stripe_provider import StripeProvider
from control_plane.tenants import service as tenants
from tests.support.billing import OPERATOR, billing_of


async def refused(billing):
    """A clinic whose first invoice was refused by its card."""
    sol = await billing.trial()
    await billing.card(sol, "pm_card_chargeCustomerFail")
    billing.move(days=31)
    await billing.bill(sol)
    return sol


async def test_a_new_card_pays_the_open_invoice_by_itself(billing):
    sol = await refused(billing)
    agreement = await billing.agreement(sol)
    (invoice, *_) = [one for one in await billing.invoices(sol) if one.due]
    assert (agreement.status, invoice.status) == ("past_due", "open")
    assert agreement.overdue_since == invoice.created_at
    assert invoice.refused_reason

    attempts = invoice.attempts
    await billing.bill(sol)
    assert [one.attempts for one in await billing.invoices(sol) if one.due] == [attempts], "a card that refused is not asked again"

    await billing.card(sol)
    agreement = await billing.bill(sol)
    assert (agreement.status, agreement.overdue_since) == ("active", None)
    assert all(one.status == "paid" for one in await billing.invoices(sol))


async def test_a_trial_with_a_card_becomes_a_paid_month_and_one_without_is_no_unpaid_invoice(billing):
    with_card, without = await billing.trial("sol"), await billing.trial("luna")
    await billing.card(with_card)
    billing.move(days=31)
    paid, paused = await billing.bill(with_card), await billing.bill(without)
    assert (paid.status, paid.overdue_since) == ("active", None)
    assert paid.period_ends > billing.platform.clock.now(), "the owner is told when the next charge comes"
    assert (paused.status, paused.overdue_since) == ("paused", None)

    await billing.card(without)
    resumed = await billing.bill(without)
    assert (resumed.status, resumed.overdue_since) == ("active", None)


async def test_a_bank_that_wants_to_ask_its_customer_is_asked_once_and_the_page_for_it_is_shown(billing):
    sol = await billing.trial()
    await billing.card(sol, "pm_card_authenticationRequired")
    billing.move(days=31)
    await billing.bill(sol)
    (invoice,) = [one for one in await billing.invoices(sol) if one.due]
    assert invoice.page
    assert invoice.refused_reason
    billing.provider.post(invoice.page, card="4242424242424242")
    assert (await billing.bill(sol)).status == "active"


async def test_a_refund_and_a_dispute_take_nothing_from_the_clinic(billing):
    sol = await billing.trial()
    await billing.card(sol)
    billing.move(days=31)
    await billing.bill(sol)
    (invoice,) = [one for one in await billing.invoices(sol) if one.paid]
    async with billing.platform.database.transaction() as session:
        for _ in range(2):
            how = {"amount": invoice.paid / 2, "reason": "a week without service", "actor": OPERATOR}
            await service.refund(session, billing.platform, sol, invoice.id, **how)
    await billing.bill(sol)
    (invoice,) = [one for one in await billing.invoices(sol) if one.paid]
    assert invoice.refunded == invoice.paid / 2, "a double click gives back once"

    (charge,) = billing.v1.charges.list({"customer": invoice.customer}).data
    billing.provider.do("dispute", charge=charge.id)
    agreement = await billing.bill(sol)
    assert (agreement.status, agreement.overdue_since, agreement.problem_code) == ("active", None, "payment_disputed")


async def test_a_clinic_goes_on_while_the_provider_is_away_for_an_hour(billing, double):
    sol = await billing.trial()
    double.do("outage", on=True)
    async with billing.platform.database.transaction() as session:
        locked = await tenants.find(session, "sol", lock=True)
        await agreements.begin(session, locked, actor=OPERATOR, at=billing.platform.clock.now())
        await tenants.change_modules(session, billing.platform, locked, frozenset({"agenda"}), actor=OPERATOR)
    await billing.worker.drain()
    async with billing.platform.database.transaction() as session:
        tenant = await tenants.find(session, "sol")
        (waiting,) = await agreements.operations.open_operations(session, sol.id)
    assert (tenant.state, waiting.kind, waiting.error_class) == ("active", OperationKind.BILL, "temporary")

    double.do("outage", on=False)
    billing.move(hours=1)
    await billing.worker.drain()
    await billing.worker.run_passes("billing")
    await billing.worker.drain()
    assert (await billing.agreement(sol)).items == {"module.agenda": "12.00", "plan.solo": "29.00"}


async def test_with_another_account_s_key_nothing_is_changed(billing, double):
    sol = await billing.trial()
    before = await billing.agreement(sol)
    async with billing_of(billing.platform, double) as other:
        with pytest.raises(WrongAccount, match="Put the right key back"):
            async with other.platform.database.transaction() as session:
                await service.portal(session, other.platform, sol, back="http://platform.example/", actor=OPERATOR)
        await other.worker.run_passes("billing_reconcile")
        after = await other.bill(sol)
        account = double.double.account(other.key)
        assert [len(account.book.all(kind)) for kind in ("customer", "subscription", "event")] == [0, 0, 0]
    assert (after.status, after.items, after.subscription, after.reading) == (
        before.status,
        before.items,
        before.subscription,
        before.reading,
    )


async def test_what_no_event_told_is_found_at_night(billing):
    sol, luna = await billing.trial("sol"), await billing.trial("luna")
    await billing.card(sol)
    billing.v1.subscriptions.cancel((await billing.agreement(luna)).subscription)
    await billing.worker.run_passes("billing_reconcile")
    await billing.worker.run_passes("billing")
    await billing.worker.drain()
    assert (await billing.agreement(sol)).has_method
    assert (await billing.agreement(luna)).status == "canceled"
    async with billing.platform.database.transaction() as session:
        assert (await tenants.find(session, "luna")).state == "active", "an ended subscription deletes nothing"


async def test_a_copy_is_never_billed(billing):
    sol = await billing.tenant()
    async with billing.platform.database.transaction() as session:
        locked = await tenants.find(session, "sol", lock=True)
        locked.copy_of = sol.id
        with pytest.raises(NotBilled):
            await agreements.agree(session, billing.platform, locked, plan="solo", actor=OPERATOR)
        session.expunge(locked)


async def test_a_key_can_be_given_by_a_file(platform, tmp_path):
    file = tmp_path / "stripe.key"
    file.write_text("sk_test_from_a_file\n")
    settings = platform.settings.model_copy(update={"stripe_key_file": file, "bank_account": "DentalPin, ES91 2100 0418 4502 0005 1332"})
    made = Payments.build(settings, platform.database, platform.clock.now)
    assert isinstance(made.get(ProviderName.STRIPE), StripeProvider)
    assert (made.default, made.demonstration, set(made.by_name)) == (ProviderName.STRIPE, False, set(ProviderName))

"""The platform's side of the payment provider, against the double, over HTTP and with the official SDK."""

import json
import secrets
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
import stripe

from control_plane.payments.errors import NotFromProvider, PaymentDeclined, ProviderRefused, ProviderUnavailable
from control_plane.payments.stripe_provider import StripeProvider
from control_plane.payments.values import InvoiceStatus, Item, Payer, SubscriptionStatus
from tests.support.payment_provider import serving

SOLO = Item("plan.solo", Decimal("29.00"), "Solo")
AGENDA = Item("module.agenda", Decimal("12.00"), "agenda")
DAY = timedelta(days=1)
BACK = "http://platform.example/billing"


@pytest.fixture(scope="module")
def double():
    with serving() as provider:
        yield provider


@pytest.fixture
def key():
    return f"sk_test_{secrets.token_hex(6)}"


@pytest.fixture
def provider(double, key):
    return StripeProvider(key, base_url=double.url, webhook_secret="whsec_test")


@pytest.fixture
def v1(double, key):
    return double.client_for(key).v1


@pytest.fixture
def at_rest(double):
    """Moves the double's clock, and back again afterwards."""
    yield lambda moment: double.do("clock", now=int(moment.timestamp()))
    double.double.ahead = 0


def payer(**changes):
    return Payer(
        **{"reference": f"tenant:{uuid4()}", "email": "owner@clinic.example", "name": "Sol", "country": "ES", "locale": "es", **changes}
    )


def now():
    return datetime.now(UTC)


async def with_card(provider, v1, card="pm_card_visa"):
    customer = await provider.ensure_customer(payer())
    stored = v1.payment_methods.attach(card, {"customer": customer})
    v1.customers.update(customer, {"invoice_settings": {"default_payment_method": stored.id}})
    return customer


async def paying(provider, v1, *items, card="pm_card_visa"):
    """A subscription whose trial is over at once: the first month is paid."""
    customer = await with_card(provider, v1, card)
    trial = await provider.start_trial(uuid4(), customer, items or (SOLO,), "EUR", trial_ends=now() + DAY, key=secrets.token_hex(4))
    v1.subscriptions.update(trial.id, {"trial_end": "now"})
    return await provider.subscription(trial.id)


async def test_a_payer_is_one_customer_however_often_it_is_asked_for(provider, v1):
    who = payer(tax_id="B12345678")
    first = await provider.ensure_customer(who)
    again = await provider.ensure_customer(payer(reference=who.reference, email="new@clinic.example"))
    third = await provider.ensure_customer(who, known=first)

    assert first == again == third
    assert len(v1.customers.list().data) == 1
    assert [one.value for one in v1.customers.tax_ids.list(first).data] == ["B12345678"]


async def test_a_trial_without_a_card_pauses_and_goes_on_with_one(double, provider, v1, at_rest):
    tenant, ends = uuid4(), now() + 30 * DAY
    customer = await provider.ensure_customer(payer())
    sub = await provider.start_trial(tenant, customer, [SOLO, AGENDA], "EUR", trial_ends=ends, key="trial-1")
    again = await provider.start_trial(tenant, customer, [SOLO, AGENDA], "EUR", trial_ends=ends, key="trial-1")

    assert again.id == sub.id
    assert (sub.status, sub.tenant_id, sub.has_method) == (SubscriptionStatus.TRIALING, tenant, False)
    assert sub.items == {"plan.solo": Decimal("29.00"), "module.agenda": Decimal("12.00")}
    at_rest(ends + timedelta(hours=1))
    assert (await provider.subscription(sub.id)).status is SubscriptionStatus.PAUSED


async def test_checkout_ends_in_a_subscription_that_names_the_tenant(double, provider):
    tenant = uuid4()
    customer = await provider.ensure_customer(payer())
    page = await provider.checkout(tenant, customer, [SOLO], "EUR", trial_ends=now() + 30 * DAY, back=BACK, key="checkout-1")
    assert (await provider.checkout_outcome(page.id)).open

    went_to = double.post(page.url, card="4242424242424242").headers["location"]
    outcome = await provider.checkout_outcome(page.id)

    assert went_to == f"{BACK}?checkout={page.id}"
    assert (outcome.done, outcome.customer) == (True, customer)
    sub = await provider.subscription(outcome.subscription)
    assert (sub.tenant_id, sub.status, sub.has_method) == (tenant, SubscriptionStatus.TRIALING, True)


async def test_a_checkout_nobody_finished_leaves_nothing(provider):
    customer = await provider.ensure_customer(payer())
    page = await provider.checkout(uuid4(), customer, [SOLO], "EUR", trial_ends=None, back=BACK, key="checkout-2")
    await provider.expire_checkout(page.id)
    await provider.expire_checkout(page.id)

    outcome = await provider.checkout_outcome(page.id)
    assert (outcome.open, outcome.done) == (False, False)
    assert await provider.subscriptions(customer) == []


async def test_what_was_previewed_is_what_is_charged(provider, v1):
    sub = await paying(provider, v1, SOLO)
    at = now() + timedelta(hours=1)
    preview = await provider.preview(sub.id, [SOLO, AGENDA], at=at)
    assert (preview.monthly, preview.currency) == (Decimal("41.00"), "EUR")
    assert Decimal("11.00") < preview.now < Decimal("12.00")

    changed = await provider.set_items(sub.id, [SOLO, AGENDA], at=at, key="add-agenda")

    assert changed.items == {"plan.solo": Decimal("29.00"), "module.agenda": Decimal("12.00")}
    newest = (await provider.invoices(sub.customer))[0]
    assert (newest.net, newest.status) == (preview.now, InvoiceStatus.PAID)
    assert newest.lines[0].proration


async def test_asking_for_the_same_items_changes_nothing(provider, v1):
    sub = await paying(provider, v1, SOLO, AGENDA)
    before = len(await provider.invoices(sub.customer))
    await provider.set_items(sub.id, [AGENDA, SOLO], at=None, key="same")
    assert len(await provider.invoices(sub.customer)) == before


async def test_a_change_during_the_trial_costs_nothing_yet(provider):
    customer = await provider.ensure_customer(payer())
    sub = await provider.start_trial(uuid4(), customer, [SOLO], "EUR", trial_ends=now() + 30 * DAY, key="t")
    preview = await provider.preview(sub.id, [SOLO, AGENDA], at=now())
    assert (preview.now, preview.monthly) == (Decimal("0.00"), Decimal("41.00"))
    changed = await provider.set_items(sub.id, [AGENDA], at=now(), key="u")
    assert changed.items == {"module.agenda": Decimal("12.00")}


async def test_a_refused_card_a_new_one_and_paying_the_open_invoice(provider, v1):
    sub = await paying(provider, v1, SOLO, card="pm_card_chargeCustomerFail")
    assert sub.status is SubscriptionStatus.PAST_DUE
    open_one = (await provider.invoices(sub.customer))[0]
    assert (open_one.status, open_one.due, open_one.attempts) == (InvoiceStatus.OPEN, Decimal("29.00"), 1)
    with pytest.raises(PaymentDeclined, match=r"declined\. Use another card"):
        await provider.pay(open_one.id, key="pay-1")

    stored = v1.payment_methods.attach("pm_card_visa", {"customer": sub.customer})
    v1.customers.update(sub.customer, {"invoice_settings": {"default_payment_method": stored.id}})
    paid = await provider.pay(open_one.id, key="pay-2")

    assert (paid.status, paid.paid, paid.due) == (InvoiceStatus.PAID, Decimal("29.00"), Decimal("0.00"))
    assert (await provider.pay(open_one.id, key="pay-3")).status is InvoiceStatus.PAID, "somebody was quicker"
    assert (await provider.subscription(sub.id)).status is SubscriptionStatus.ACTIVE


async def test_a_bank_that_wants_to_ask_is_said_with_the_page_to_go_to(provider, v1):
    sub = await paying(provider, v1, SOLO, card="pm_card_authenticationRequired")
    invoice = (await provider.invoices(sub.customer))[0]
    with pytest.raises(PaymentDeclined, match="Confirm the payment at http") as refused:
        await provider.pay(invoice.id, key="pay")
    assert refused.value.context["ask_at"] == invoice.page


async def test_refunds_and_disputes_are_seen_on_the_invoice(double, provider, v1):
    sub = await paying(provider, v1, SOLO)
    invoice = (await provider.invoices(sub.customer))[0]
    await provider.refund(invoice.id, Decimal("9.00"), reason="a day without service", key="refund-1")
    await provider.refund(invoice.id, Decimal("9.00"), reason="a day without service", key="refund-1")
    assert (await provider.invoice(invoice.id)).refunded == Decimal("9.00")

    disputed = await paying(provider, v1, SOLO, card="pm_card_createDispute")
    invoice = (await provider.invoices(disputed.customer))[0]
    assert invoice.disputed == Decimal("29.00")
    double.do("close-dispute", dispute=v1.disputes.list().data[0].id, won=True)
    assert (await provider.invoice(invoice.id)).disputed == Decimal("0.00")


async def test_cancelling_now_or_later_and_staying_after_all(provider, v1):
    sub = await paying(provider, v1, SOLO)
    assert (await provider.cancel(sub.id, at_period_end=True, key="c1")).cancels_at_period_end
    assert not (await provider.keep(sub.id, key="c2")).cancels_at_period_end
    over = await provider.cancel(sub.id, at_period_end=False, key="c3")
    assert over.status is SubscriptionStatus.CANCELED
    assert (await provider.cancel(sub.id, at_period_end=False, key="c4")).ended == over.ended


async def test_failures_are_told_apart(double, provider, key):
    assert await provider.subscription("sub_nobody") is None
    assert await provider.invoice("in_nobody") is None
    with pytest.raises(ProviderRefused, match="No such customer"):
        await provider.portal("cus_nobody", BACK)
    with pytest.raises(ProviderRefused, match="Invalid API Key"):
        await StripeProvider("sk_live_x", base_url=double.url).account()
    with pytest.raises(ProviderUnavailable):
        await StripeProvider(key, base_url="http://127.0.0.1:1").account()
    double.do("outage", on=True)
    try:
        with pytest.raises(ProviderUnavailable):
            await provider.account()
    finally:
        double.do("outage", on=False)


async def test_a_webhook_says_where_to_look_and_only_if_it_is_signed(provider):
    body = json.dumps(
        {
            "id": "evt_1",
            "object": "event",
            "type": "invoice.paid",
            "created": 1_800_000_000,
            "data": {"object": {"id": "in_1", "object": "invoice", "customer": "cus_1"}},
        }
    )
    header = stripe.WebhookSignature.generate_signature_header(body, "whsec_test")
    found = provider.read_webhook(body.encode(), {"stripe-signature": header})
    assert (found.id, found.kind, dict(found.objects)) == ("evt_1", "invoice.paid", {"invoice": "in_1", "customer": "cus_1"})
    for bad in ({}, {"stripe-signature": header.replace("v1=", "v1=0")}):
        with pytest.raises(NotFromProvider):
            provider.read_webhook(body.encode(), bad)
    with pytest.raises(NotFromProvider):
        provider.read_webhook(body.replace("in_1", "in_2").encode(), {"stripe-signature": header})


async def test_events_can_be_read_again_oldest_first(provider, v1):
    since = now() - timedelta(minutes=1)
    made = [v1.products.create({"name": f"p{number}"}).id for number in range(101)]
    found = [one async for one in provider.happenings(since)]
    assert [one.objects["product"] for one in found] == made


async def test_every_subscription_of_the_account_can_be_gone_through(provider):
    customer = await provider.ensure_customer(payer())
    made = {(await provider.start_trial(uuid4(), customer, [SOLO], "EUR", trial_ends=now() + DAY, key=f"k{n}")).id for n in range(3)}
    assert {one.id async for one in provider.all_subscriptions()} == made

"""The payment provider's double, asked by the provider's own client."""

import json
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from control_plane.simulators.stripe.forms import parse
from control_plane.simulators.stripe.periods import DAY, period_at, share
from tests.support.payment_provider import serving

START = 1_798_761_600  # 2027-01-01


@pytest.fixture(scope="module")
def provider():
    with serving() as provider:
        yield provider


@pytest.fixture
def v1(provider):
    """A fresh account."""
    import secrets

    return provider.client_for(f"sk_test_{secrets.token_hex(6)}").v1


def price(v1, amount, **facts):
    product = v1.products.create({"name": "Clinic"})
    return v1.prices.create({"product": product.id, "unit_amount": amount, "currency": "eur", "recurring": {"interval": "month"}, **facts})


def customer(v1, card="pm_card_visa", clock=None):
    made = v1.customers.create({"email": "owner@clinic.example", **({"test_clock": clock} if clock else {})})
    if card:
        stored = v1.payment_methods.attach(card, {"customer": made.id})
        v1.customers.update(made.id, {"invoice_settings": {"default_payment_method": stored.id}})
    return made


@pytest.fixture
def clock(v1):
    return v1.test_helpers.test_clocks.create({"frozen_time": START})


def advance(v1, clock, days):
    v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": START + days * DAY})


def kinds(v1):
    return Counter(event.type for event in v1.events.list({"limit": 100}).data)


def test_a_trial_becomes_a_paid_month_and_then_another(v1, clock):
    who = customer(v1, clock=clock.id)
    sub = v1.subscriptions.create({"customer": who.id, "items": [{"price": price(v1, 4900).id}], "trial_period_days": 14})
    assert (sub.status, sub.trial_end) == ("trialing", START + 14 * DAY)

    advance(v1, clock, 12)
    assert kinds(v1)["customer.subscription.trial_will_end"] == 1
    advance(v1, clock, 15)
    sub = v1.subscriptions.retrieve(sub.id, {"expand": ["latest_invoice"]})
    assert (sub.status, sub.latest_invoice.status, sub.latest_invoice.total) == ("active", "paid", 4900)
    advance(v1, clock, 14 + 32)
    assert [invoice.total for invoice in v1.invoices.list({"customer": who.id}).data] == [4900, 4900, 0]


def test_adding_a_module_charges_the_rest_of_the_month_and_taking_it_away_leaves_a_credit(v1, clock):
    who = customer(v1, clock=clock.id)
    sub = v1.subscriptions.create({"customer": who.id, "items": [{"price": price(v1, 3100).id}]})
    module = price(v1, 3100)
    advance(v1, clock, 10)
    asked = {"items": [{"price": module.id}], "proration_behavior": "always_invoice"}

    preview = v1.invoices.create_preview(
        {"customer": who.id, "subscription": sub.id, "subscription_details": {**asked, "proration_date": START + 10 * DAY}}
    )
    assert preview.total == 2100  # 21 of 31 days
    assert len(v1.invoices.list({"customer": who.id}).data) == 1
    sub = v1.subscriptions.update(sub.id, asked)
    charged = v1.invoices.retrieve(sub.latest_invoice)
    assert (charged.total, charged.status, charged.lines.data[0].period.start) == (2100, "paid", START + 10 * DAY)

    added = sub["items"].data[1].id
    advance(v1, clock, 21)
    sub = v1.subscriptions.update(sub.id, {"items": [{"id": added, "deleted": True}], "proration_behavior": "always_invoice"})
    assert v1.invoices.retrieve(sub.latest_invoice).total == -1000
    assert v1.customers.retrieve(who.id).balance == -1000
    advance(v1, clock, 32)
    renewal = v1.invoices.retrieve(v1.subscriptions.retrieve(sub.id).latest_invoice)
    assert (renewal.total, renewal.amount_due, renewal.status) == (3100, 2100, "paid")
    assert v1.customers.retrieve(who.id).balance == 0


def test_a_refused_card_is_tried_again_on_schedule_and_a_new_one_pays_when_asked(v1, clock):
    who = customer(v1, clock=clock.id)
    sub = v1.subscriptions.create({"customer": who.id, "items": [{"price": price(v1, 4900).id}]})
    bad = v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": who.id})
    v1.customers.update(who.id, {"invoice_settings": {"default_payment_method": bad.id}})

    advance(v1, clock, 32)
    invoice = v1.invoices.retrieve(v1.subscriptions.retrieve(sub.id).latest_invoice)
    assert (invoice.status, invoice.attempt_count, v1.subscriptions.retrieve(sub.id).status) == ("open", 1, "past_due")
    advance(v1, clock, 50)
    invoice = v1.invoices.retrieve(invoice.id)
    assert (invoice.attempt_count, invoice.next_payment_attempt) == (4, None)
    assert kinds(v1)["invoice.payment_failed"] == 4

    good = v1.payment_methods.attach("pm_card_visa", {"customer": who.id})
    v1.customers.update(who.id, {"invoice_settings": {"default_payment_method": good.id}})
    assert v1.invoices.retrieve(invoice.id).status == "open", "a new card alone pays nothing"
    assert v1.invoices.pay(invoice.id).status == "paid"
    assert v1.subscriptions.retrieve(sub.id).status == "active"


def test_without_a_card_the_trials_end_does_what_was_chosen(v1, clock):
    wanted = {"cancel": "canceled", "pause": "paused", "create_invoice": "past_due"}
    made = {}
    for choice in wanted:
        who = customer(v1, None, clock=clock.id)
        settings = {"end_behavior": {"missing_payment_method": choice}}
        items = [{"price": price(v1, 4900).id}]
        made[choice] = v1.subscriptions.create(
            {"customer": who.id, "items": items, "trial_period_days": 7, "trial_settings": settings, "payment_behavior": "allow_incomplete"}
        ).id
    advance(v1, clock, 8)
    assert {choice: v1.subscriptions.retrieve(sub).status for choice, sub in made.items()} == wanted


def test_nothing_is_created_where_nothing_could_be_collected(v1):
    bad = customer(v1, "pm_card_chargeCustomerFail")
    with pytest.raises(stripe.CardError, match="declined"):
        v1.subscriptions.create({"customer": bad.id, "items": [{"price": price(v1, 4900).id}], "payment_behavior": "error_if_incomplete"})
    assert v1.subscriptions.list({"customer": bad.id, "status": "all"}).data == []
    with pytest.raises(stripe.InvalidRequestError, match="no attached payment source"):
        v1.subscriptions.create({"customer": customer(v1, None).id, "items": [{"price": price(v1, 4900).id}]})


def test_a_bank_that_wants_to_be_asked_is_asked_on_the_invoices_page(provider, v1):
    who = customer(v1, "pm_card_authenticationRequired")
    sub = v1.subscriptions.create({"customer": who.id, "items": [{"price": price(v1, 4900).id}]})
    assert sub.status == "incomplete"
    assert kinds(v1)["invoice.payment_action_required"] == 1
    with pytest.raises(stripe.CardError) as refused:
        v1.invoices.pay(sub.latest_invoice, {"off_session": True})
    assert refused.value.code == "authentication_required"

    page = v1.invoices.retrieve(sub.latest_invoice).hosted_invoice_url
    assert "asks you to confirm" in provider.post(page, card="4000002760003184").text
    provider.post(page, card="4000002760003184", authenticated="yes")
    assert v1.invoices.retrieve(sub.latest_invoice).status == "paid"
    assert v1.subscriptions.retrieve(sub.id).status == "active"


def test_checkout_makes_customer_card_and_subscription_and_leads_back(provider, v1):
    session = v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer_email": "owner@clinic.example",
            "line_items": [{"price": price(v1, 4900).id, "quantity": 1}],
            "subscription_data": {"trial_period_days": 14, "metadata": {"tenant": "t1"}},
            "success_url": "http://platform.example/done?session={CHECKOUT_SESSION_ID}",
        }
    )
    refused = provider.post(session.url, card="4000 0000 0000 0002", email="owner@clinic.example")
    assert refused.status_code == 402
    assert "Your card was declined" in refused.text
    done = provider.post(session.url, card="4242 4242 4242 4242", email="owner@clinic.example")

    assert (done.status_code, done.headers["location"]) == (303, f"http://platform.example/done?session={session.id}")
    session = v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription", "customer"]})
    assert (session.status, session.subscription.status, session.customer.email) == ("complete", "trialing", "owner@clinic.example")
    assert v1.subscriptions.search({"query": "metadata['tenant']:'t1'"}).data[0].id == session.subscription.id
    assert provider.post(f"/checkout/{session.id}", card="4242424242424242").status_code == 410


def test_the_portal_stores_a_new_card_and_pays_nothing_by_itself(provider, v1):
    who = customer(v1, None)
    session = v1.billing_portal.sessions.create({"customer": who.id, "return_url": "http://platform.example/billing"})
    page = provider.post(session.url, card="5555555555554444")
    assert "Mastercard ending in 4444" in page.text
    stored = v1.customers.retrieve(who.id).invoice_settings.default_payment_method
    assert v1.payment_methods.retrieve(stored).card.last4 == "4444"


def test_refunds_and_disputes_never_give_back_more_than_was_paid(v1, provider):
    who = customer(v1)
    sub = v1.subscriptions.create({"customer": who.id, "items": [{"price": price(v1, 4900).id}]})
    charge = v1.charges.list({"customer": who.id}).data[0]
    v1.refunds.create({"charge": charge.id, "amount": 900})
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        v1.refunds.create({"charge": charge.id, "amount": 4001})
    intent = v1.invoices.retrieve(sub.latest_invoice).payments.data[0].payment.payment_intent
    assert v1.refunds.create({"payment_intent": intent}).amount == 4000
    with pytest.raises(stripe.InvalidRequestError, match="already been refunded"):
        v1.refunds.create({"charge": charge.id})

    other = customer(v1, "pm_card_createDispute")
    v1.subscriptions.create({"customer": other.id, "items": [{"price": price(v1, 4900).id}]})
    dispute = v1.disputes.list({}).data[0]
    assert dispute.status == "needs_response"
    provider.do("close-dispute", dispute=dispute.id, won=False)
    assert v1.disputes.retrieve(dispute.id).status == "lost"


def test_the_same_key_answers_the_same_and_refuses_another_question(v1):
    first, again = (v1.customers.create({"email": "a@b.example"}, {"idempotency_key": "signup-1"}) for _ in range(2))
    assert first.id == again.id
    with pytest.raises(stripe.IdempotencyError):
        v1.customers.create({"email": "other@b.example"}, {"idempotency_key": "signup-1"})


def test_what_is_not_known_is_refused(v1, provider):
    with pytest.raises(stripe.InvalidRequestError, match="unknown parameter: colour"):
        v1.customers.create({"colour": "blue"})
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        v1.customers.retrieve("cus_nobody")
    with pytest.raises(stripe.AuthenticationError):
        provider.client_for("sk_live_1").v1.customers.list()
    assert (
        provider.client_for("sk_test_a").v1.accounts.retrieve_current().id
        != provider.client_for("sk_test_b").v1.accounts.retrieve_current().id
    )


def test_lists_go_on_where_they_ended(v1):
    made = [v1.customers.create({"email": f"{number}@b.example"}).id for number in range(5)]
    found = [one.id for one in v1.customers.list({"limit": 2}).auto_paging_iter()]
    assert found == list(reversed(made))


def test_it_remembers_over_a_restart(tmp_path):
    with serving(file=tmp_path / "stripe.json") as provider:
        made = provider.client.v1.customers.create({"email": "a@b.example"}, {"idempotency_key": "one"}).id
    with serving(file=tmp_path / "stripe.json") as provider:
        assert provider.client.v1.customers.retrieve(made).email == "a@b.example"
        assert provider.client.v1.customers.create({"email": "a@b.example"}, {"idempotency_key": "one"}).id == made


@contextmanager
def receiver(secret_of, *, refuse=0):
    """Takes webhooks, checks their signature with the SDK, refuses the first ones with 500."""
    got, left = [], [refuse]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if left[0] > 0:
                left[0] -= 1
                self.send_response(500)
            else:
                stripe.Webhook.construct_event(body, self.headers["Stripe-Signature"], secret_of())
                got.append(json.loads(body))
                self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", got
    finally:
        server.shutdown()
        server.server_close()


def test_webhooks_are_signed_doubled_reordered_lost_and_repeated():
    secret = []
    with serving(manual=True) as provider, receiver(lambda: secret[0], refuse=1) as (url, got):
        v1 = provider.client.v1
        secret.append(v1.webhook_endpoints.create({"url": url, "enabled_events": ["customer.created"]}).secret)
        made = [v1.customers.create({"email": f"{number}@b.example"}).id for number in range(30)]
        v1.products.create({"name": "nobody asked for this"})
        provider.do("faults", duplicate=0.3, reorder=5, lose=0.3, seed=7)
        rounds = 0
        while provider.do("deliver")["sent"]:
            rounds += 1
        heard = [event["data"]["object"]["id"] for event in got]
        assert set(heard) == set(made)
        assert len(heard) > len(made), "some came twice"
        assert list(dict.fromkeys(heard)) != made, "not in order"
        assert rounds > 1, "what was lost or refused came later"


def test_an_outage_answers_503(provider):
    provider.do("outage", on=True)
    try:
        with pytest.raises(stripe.APIError):
            provider.client.v1.customers.list()
    finally:
        provider.do("outage", on=False)


def test_forms_are_read_as_they_are_written():
    assert parse("a=1&b[c]=2&d[0][e]=3&d[1][e]=4&f[]=5&f[]=6") == {
        "a": "1",
        "b": {"c": "2"},
        "d": [{"e": "3"}, {"e": "4"}],
        "f": ["5", "6"],
    }


@given(st.integers(0, 4_000_000_000), st.sampled_from(["day", "week", "month", "year"]), st.integers(1, 3), st.integers(0, 100_000_000))
def test_periods_follow_each_other_without_a_gap(anchor, interval, count, later):
    start, end = period_at(anchor, interval, count, anchor + later)
    assert start <= anchor + later < end
    assert period_at(anchor, interval, count, end)[0] == end


@given(st.integers(-100_000, 100_000), st.integers(1, 40), st.data())
def test_a_share_is_between_nothing_and_all(amount, days, data):
    end = START + days * DAY
    moment = data.draw(st.integers(START, end))
    part = share(amount, START, end, moment)
    assert abs(part) <= abs(amount)
    assert share(amount, START, end, START) == amount
    assert share(amount, START, end, end) == 0
    assert share(-amount, START, end, moment) == -part

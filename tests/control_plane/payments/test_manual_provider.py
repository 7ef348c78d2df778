"""Bank transfer's books: numbered without a gap, adding up, paid once, and credited where more came."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.payments.errors import ProviderRefused
from control_plane.payments.manual.provider import ManualProvider
from control_plane.payments.manual.reckoning import change_lines, month_after, total_of
from control_plane.payments.values import Item, Payer

SOLO, AGENDA = Item("plan.solo", Decimal("29.00"), "Solo"), Item("module.agenda", Decimal("12.00"), "agenda")
ISSUER, PAY_TO = "DentalPin SL\nCalle Mayor 1\n28013 Madrid\nB00000000", "DentalPin SL\nES91 2100 0418 4502 0005 1332\nCAIXESBB"
START = datetime(2026, 1, 31, 9, tzinfo=UTC)


def test_periods_end_on_the_anchor_s_day_or_the_month_s_last():
    ends = [START]
    for _ in range(4):
        ends.append(month_after(ends[-1], START))
    assert [moment.day for moment in ends] == [31, 28, 31, 30, 31]


@given(st.integers(0, 31 * 24), st.sets(st.sampled_from(["a", "b", "c"])), st.sets(st.sampled_from(["a", "b", "c"])))
def test_changing_there_and_back_at_one_moment_costs_nothing(hours, before, after):
    items = {key: Item(key, Decimal(price), key) for key, price in (("a", "29.00"), ("b", "12.00"), ("c", "9.99"))}
    period = {"starts": START, "ends": START + timedelta(days=31), "at": START + timedelta(hours=hours)}
    old, new = ({key: items[key] for key in keys} for keys in (before, after))
    assert total_of(change_lines(old, new, **period)) + total_of(change_lines(new, old, **period)) == 0


@pytest.fixture
def provider(platform):
    return ManualProvider(platform.database, platform.clock.now, tax_percent=Decimal(21), due_days=14, issuer=ISSUER, pay_to=PAY_TO)


@pytest.fixture
async def subscribed(provider, clock):
    payer = Payer(f"tenant:{uuid4()}", "owner@clinic.example", "Sol", "ES", "es", "B12345678")
    customer = await provider.ensure_customer(payer)
    return await provider.start_trial(uuid4(), customer, (SOLO,), "EUR", trial_ends=clock.now() + timedelta(days=30), key="begin")


async def test_a_trial_leads_to_an_invoice_that_is_due_late_and_paid(provider, subscribed, clock):
    assert (subscribed.status, await provider.invoices(subscribed.customer)) == ("trialing", [])
    clock.advance(days=30)
    assert (await provider.subscription(subscribed.id)).status == "active"
    (invoice,) = await provider.invoices(subscribed.customer)
    assert (invoice.number, invoice.net, invoice.total, invoice.due) == (
        f"{clock.now().year}-000001",
        Decimal("29.00"),
        Decimal("35.09"),
        Decimal("35.09"),
    )
    clock.advance(days=15)
    assert (await provider.subscription(subscribed.id)).status == "past_due"

    arrived = {"received_on": date(2027, 1, 5), "reference": "SOL 1", "key": "1", "by": "operator:ana"}
    for _ in range(2):
        paid = await provider.record_payment(invoice.id, Decimal("40.09"), **arrived)
    assert (paid.status, paid.paid, paid.due) == ("paid", Decimal("35.09"), Decimal("0.00"))
    clock.advance(days=16)
    await provider.subscription(subscribed.id)
    newest = (await provider.invoices(subscribed.customer))[0]
    assert (newest.paid, newest.due) == (Decimal("5.00"), Decimal("30.09")), "what was too much pays the next one"


async def test_a_change_in_the_middle_is_charged_as_it_was_shown_and_a_refund_is_never_more_than_was_paid(provider, subscribed, clock):
    clock.advance(days=40)
    at = clock.now()
    preview = await provider.preview(subscribed.id, (SOLO, AGENDA), at=at)
    for _ in range(2):
        await provider.set_items(subscribed.id, (SOLO, AGENDA), at=at, key="change")
    newest, first = await provider.invoices(subscribed.customer)
    assert (newest.net, len(newest.lines)) == (preview.now, 1)
    await provider.record_payment(first.id, first.total, received_on=at.date(), reference="x", key="x", by="operator:ana")
    await provider.refund(first.id, Decimal("5.00"), reason="a mistake", key="back")
    await provider.refund(first.id, Decimal("5.00"), reason="a mistake", key="back")
    assert (await provider.invoice(first.id)).refunded == Decimal("5.00")
    with pytest.raises(ProviderRefused, match="more would be given back"):
        await provider.refund(first.id, first.total, reason="more", key="more")


async def test_what_is_sent_back_before_an_invoice_is_paid_has_not_arrived(provider, subscribed, clock):
    clock.advance(days=30)
    await provider.subscription(subscribed.id)
    (invoice,) = await provider.invoices(subscribed.customer)
    arrives = {"received_on": date(2027, 1, 5), "by": "operator:ana"}
    await provider.record_payment(invoice.id, Decimal("20.00"), reference="by mistake", key="1", **arrives)
    await provider.refund(invoice.id, Decimal("20.00"), reason="not theirs", key="back")
    clock.advance(days=1)
    half = await provider.record_payment(invoice.id, Decimal("20.00"), reference="half", key="2", **arrives)
    assert (half.status, half.paid, half.due) == ("open", Decimal("20.00"), Decimal("15.09"))

    clock.advance(days=1)
    paid = await provider.record_payment(invoice.id, Decimal("15.09"), reference="rest", key="3", **arrives)
    assert (paid.status, paid.paid, paid.refunded) == ("paid", Decimal("35.09"), Decimal("0.00"))
    await provider.refund(invoice.id, Decimal("35.09"), reason="goodwill", key="all")
    assert (await provider.invoice(invoice.id)).refunded == Decimal("35.09")


async def test_credit_of_a_subscription_that_ended_pays_what_is_owed_and_goes_along_to_the_next(provider, subscribed, clock):
    clock.advance(days=30)
    await provider.subscription(subscribed.id)
    (first,) = await provider.invoices(subscribed.customer)
    clock.advance(days=16)
    assert (await provider.cancel(subscribed.id, at_period_end=False, key="end")).status == "canceled"
    open_ = await provider.invoice(first.id)
    assert (open_.status, open_.due) == ("open", Decimal("18.11")), "the used half of the month"

    await provider.record_payment(first.id, Decimal("28.11"), received_on=clock.now().date(), reference="x", key="x", by="operator:ana")
    again = await provider.start_trial(subscribed.tenant_id, subscribed.customer, (SOLO,), "EUR", trial_ends=clock.now(), key="again")
    newest = (await provider.invoices(again.customer))[0]
    assert (newest.subscription, newest.paid, newest.due) == (again.id, Decimal("10.00"), Decimal("25.09"))
    stranger = await provider.start_trial(uuid4(), subscribed.customer, (SOLO,), "EUR", trial_ends=clock.now(), key="other")
    assert [one.paid for one in await provider.invoices(subscribed.customer) if one.subscription == stranger.id] == [Decimal("0.00")]

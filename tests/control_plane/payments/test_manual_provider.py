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

"""What the provider tells: signed, stored once, read there. Order and number mean nothing."""

import json
import random
from uuid import NAMESPACE_URL, uuid4, uuid5

import pytest
import stripe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from control_plane.billing import service
from control_plane.billing.errors import PreviewOutdated, SubscriptionOver
from control_plane.billing.models import PaymentEvent
from control_plane.tenants import service as tenants
from tests.support.billing import OPERATOR, WEBHOOK_SECRET, billing_of
from tests.support.platform import api_of

HOOK = "/v1/payments/webhooks/stripe"


def signed(event, secret=WEBHOOK_SECRET):
    body = json.dumps(event, separators=(",", ":"))
    return {"content": body, "headers": {"stripe-signature": stripe.WebhookSignature.generate_signature_header(body, secret)}}


@pytest.fixture
async def door(billing):
    """The API without a key, as the provider reaches it."""
    async with api_of(billing.platform) as client:
        client.headers.pop("Authorization")
        yield client


def events_of(billing, after=()):
    known = {event["id"] for event in after}
    account = billing.provider.double.account(billing.key)
    return [event for event in account.book.all("event") if event["id"] not in known]


async def settle(billing, tenant):
    """What the platform's worker does by itself until nothing is due."""
    for _ in range(3):
        await billing.worker.run_passes("billing")
        await billing.worker.drain()
    return await billing.agreement(tenant)


async def test_an_event_is_stored_once_and_has_its_tenant_read(billing, door):
    sol = await billing.trial()
    await billing.card(sol)
    assert not (await billing.agreement(sol)).has_method
    billing.platform.clock.advance(minutes=5)
    event = events_of(billing)[-1]

    answers = [(await door.post(HOOK, **signed(event))).json() for _ in range(3)]
    assert [answer["new"] for answer in answers] == [True, False, False]
    assert (await settle(billing, sol)).has_method
    async with billing.platform.database.transaction() as session:
        (stored,) = await session.scalars(select(PaymentEvent))
        assert (stored.id, stored.tenant_id) == (event["id"], sol.id)


async def test_what_is_not_signed_by_the_provider_does_nothing(billing, door):
    event = {
        "id": "evt_1",
        "object": "event",
        "type": "invoice.paid",
        "created": 1,
        "data": {"object": {"id": "in_1", "object": "invoice"}},
    }
    for forged in (
        signed(event, "whsec_other"),
        {"content": json.dumps(event)},
        {"content": b"\xff\x00", "headers": {"stripe-signature": "t=1,v1=x"}},
    ):
        answer = await door.post(HOOK, **forged)
        assert (answer.status_code, answer.json()["code"]) == (400, "webhook_signature_invalid")
    assert (await door.post("/v1/payments/webhooks/manual", **signed(event))).status_code in (400, 409)
    async with billing.platform.database.transaction() as session:
        assert list(await session.scalars(select(PaymentEvent))) == []


async def test_an_event_that_comes_while_the_provider_is_read_has_it_read_again(billing, door):
    """A reading that began before an event must not say that nothing is left to read."""
    sol = await billing.trial()
    billing.platform.clock.advance(minutes=5)
    event = events_of(billing)[-1]
    original = billing.platform.payments.get("stripe").invoices

    async def invoices(customer):
        found = await original(customer)
        await door.post(HOOK, **signed(event))
        return found

    billing.platform.payments.get("stripe").invoices = invoices
    agreement = await billing.bill(sol)
    assert agreement.look_at <= billing.platform.clock.now()


DEEDS = ["card", "decline", "month", "days", "refund", "dispute", "end", "keep", "change", "away", "stranger"]
SEEDS = st.integers(0, 2**32)
ANYHOW = settings(deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.full
@pytest.mark.timeout(1800)
@settings(ANYHOW, max_examples=25)
@given(story=st.lists(st.sampled_from(DEEDS), min_size=2, max_size=6), seed=SEEDS)
async def test_at_rest_the_platform_says_what_the_provider_says_however_events_arrive(platform, double, story, seed):
    await arrives_anyhow(platform, double, story, random.Random(seed))


@settings(ANYHOW, max_examples=2, derandomize=True)
@given(story=st.permutations(DEEDS).map(lambda deeds: deeds[:3]), seed=SEEDS)
async def test_a_few_stories_of_all_there_are_come_to_rest(platform, double, story, seed):
    await arrives_anyhow(platform, double, ["card", "month", *story], random.Random(seed))


@pytest.mark.parametrize(
    ("seed", "story"),
    [
        (1, ["card", "month", "end", "refund", "decline", "month", "card"]),
        (2, ["month", "card", "days", "end", "keep", "month"]),
    ],
)
async def test_at_rest_the_platform_says_what_the_provider_says(platform, double, seed, story):
    await arrives_anyhow(platform, double, story, random.Random(seed))


async def arrives_anyhow(platform, double, story, chance):
    """Live through a story at the provider while its events arrive doubled, shuffled, late or not at all, then come to rest."""
    slug = f"sol-{uuid4().hex[:10]}"
    # One account for all stories on one platform: another one's key would be refused.
    key = f"sk_test_{uuid5(NAMESPACE_URL, platform.settings.database_url.get_secret_value()).hex[:12]}"
    async with billing_of(platform, double, key=key) as billing, api_of(billing.platform) as client:
        client.headers.pop("Authorization")
        sol = await billing.trial(slug)
        late, seen = [], []
        for deed in story:
            await do(billing, sol, deed)
            new = events_of(billing, after=seen)
            seen += new
            arriving = [event for event in [*new, *new] if chance.random() < 0.6]
            late += [event for event in new if event not in arriving]
            chance.shuffle(arriving)
            for event in arriving:
                assert (await client.post(HOOK, **signed(event))).status_code == 200
            if chance.random() < 0.5:
                await settle(billing, sol)
        chance.shuffle(late)
        for event in late:
            await client.post(HOOK, **signed(event))
        await settle(billing, sol)
        await same_as_provider(billing, sol)


async def do(billing, tenant, deed):
    v1 = billing.v1
    agreement = await billing.agreement(tenant)
    match deed:
        case "card":
            await billing.card(tenant)
        case "decline":
            await billing.card(tenant, "pm_card_chargeCustomerFail")
        case "month":
            billing.move(days=32)
        case "days":
            billing.move(days=4)
        case "dispute":
            paid = [charge for charge in v1.charges.list({"customer": agreement.customer}).data if charge.paid and not charge.disputed]
            if paid:
                billing.provider.do("dispute", charge=paid[0].id)
        case "change":
            await change(billing, tenant)
        case "away":
            billing.provider.do("outage", on=True)
            await settle(billing, tenant)
            billing.platform.clock.advance(hours=1)
            billing.provider.do("outage", on=False)
            billing.move(seconds=0)
        case "stranger":
            async with billing_of(billing.platform, billing.provider) as other:
                await other.worker.run_passes("billing_reconcile")
                assert (await other.agreement(tenant)).reading == agreement.reading
            billing.move(seconds=0)
        case "end" | "keep":
            # As somebody does it on the provider's own pages.
            present = v1.subscriptions.retrieve(agreement.subscription)
            if present.status not in ("canceled", "paused"):
                v1.subscriptions.update(agreement.subscription, {"cancel_at_period_end": deed == "end"})
        case "refund":
            paid = [charge for charge in v1.charges.list({"customer": agreement.customer}).data if charge.paid and not charge.refunded]
            if paid:
                v1.refunds.create({"charge": paid[0].id, "amount": 100})


async def change(billing, tenant):
    """Confirm the other plan, where the agreement still is one."""
    async with billing.platform.database.transaction() as session:
        agreement = await billing.require(session, tenant)
        wanted = "practice" if agreement.plan == "solo" else "solo"
        if agreement.status.over:
            return
        shown = await service.preview(session, billing.platform, tenant, plan=wanted)
    async with billing.platform.database.transaction() as session:
        locked = await tenants.find(session, tenant.slug, lock=True)
        how = {"at": shown.at, "confirmation": shown.confirmation, "actor": OPERATOR}
        try:
            await service.change(session, billing.platform, locked, plan=wanted, **how)
        except (PreviewOutdated, SubscriptionOver):
            await session.rollback()


async def same_as_provider(billing, tenant):
    provider = billing.platform.payments.get("stripe")
    agreement = await billing.agreement(tenant)
    there = await provider.subscription(agreement.subscription)
    ends = min(there.ended or there.period_ends, there.period_ends)
    assert (agreement.status, agreement.trial_ends, agreement.period_ends) == (there.status, there.trial_ends, ends)
    assert (agreement.cancels_at_period_end, agreement.method) == (there.cancels_at_period_end, there.method)
    assert agreement.items == {key: f"{amount:.2f}" for key, amount in there.items.items()}
    assert there.status.over or f"plan.{agreement.plan}" in agreement.items, "what was agreed is what is paid"
    names = ("status", "total", "due", "paid", "refunded", "disputed", "attempts", "number")
    here = {one.id: tuple(getattr(one, name) for name in names) for one in await billing.invoices(tenant)}
    assert here == {one.id: tuple(getattr(one, name) for name in names) for one in await provider.invoices(agreement.customer)}
    owed = [one for one in await billing.invoices(tenant) if one.status == "open" and one.attempts]
    assert (agreement.overdue_since is None) == (not owed)


async def test_a_dispute_names_only_a_payment_and_its_clinic_is_read_all_the_same(billing, door):
    sol = await billing.trial()
    await billing.card(sol)
    billing.move(days=31)
    await billing.bill(sol)
    before = events_of(billing)
    (charge,) = billing.v1.charges.list({"customer": (await billing.agreement(sol)).customer}).data
    billing.provider.do("dispute", charge=charge.id)
    billing.platform.clock.advance(minutes=5)

    for event in events_of(billing, after=before):
        assert "customer" not in event["data"]["object"]
        assert (await door.post(HOOK, **signed(event))).json()["new"]

    assert (await settle(billing, sol)).problem_code == "payment_disputed"
    assert sum(one.disputed for one in await billing.invoices(sol)) == 29


async def test_an_invoice_of_one_clinic_has_none_of_the_others_read_that_the_same_customer_pays_for(billing, door):
    sol, luna = await billing.trial("sol"), await billing.trial("luna")
    event = next(
        one for one in events_of(billing) if one["type"] == "invoice.paid" and "sol" in one["data"]["object"]["customer_name"].lower()
    )
    async with billing.platform.database.transaction() as session:
        (await billing.require(session, luna)).customer = event["data"]["object"]["customer"]
    billing.platform.clock.advance(minutes=5)

    await door.post(HOOK, **signed(event))

    now = billing.platform.clock.now()
    assert (await billing.agreement(sol)).look_at == now
    assert (await billing.agreement(luna)).look_at != now

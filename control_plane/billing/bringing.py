"""At the provider: making what is paid for what was agreed, and reading what came of it. Every step may be repeated.

What is at the provider is looked at first, always: an attempt that died may have done all of it, and a person may have done it on the
provider's own pages.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from control_plane.billing.states import Begins, ProviderName
from control_plane.payments.errors import PaymentDeclined
from control_plane.payments.provider import PaymentProvider
from control_plane.payments.values import Invoice, InvoiceStatus, Item, Payer, Subscription, SubscriptionStatus
from dentalpin_kit.canonical import digest


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was agreed with a tenant, as the database had it when the reading of this number began."""

    tenant_id: UUID
    reading: int
    key: str
    """Of the operation at work: what is repeated within it is one thing at the provider."""
    provider: ProviderName
    begins: Begins
    payer: Payer
    shared: bool
    """Whether the customer pays for several tenants: then its invoices are told apart by their subscription."""
    customer: str | None
    subscription: str | None
    items: tuple[Item, ...]
    currency: str
    generation: int
    settled: bool
    """Whether the tenant runs the modules of that generation. Until then none is charged that is not yet, and none taken off."""
    prorate_at: datetime | None
    trial_ends: datetime | None
    agreed_at: datetime
    cancel: bool | None
    """True: end with the period. False: take that back. None: as it is there."""
    end_now: bool
    """The tenant is gone."""
    now: datetime
    refused: Mapping[str, str | None] = field(default_factory=dict)
    """{invoice: the card it was refused with}"""
    known_subscriptions: frozenset[str] = frozenset()
    former: frozenset[str] = frozenset()
    """Customers under which it has invoices, by who paid before: a refund of theirs is still one."""


@dataclass(frozen=True, slots=True)
class Refusal:
    invoice: str
    method: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """What the provider has, after everything was brought about."""

    customer: str | None
    subscription: Subscription | None
    invoices: tuple[Invoice, ...]
    refusals: tuple[Refusal, ...] = ()
    items_made: bool = False
    """Whether the items are those of the generation."""
    doubles_ended: tuple[str, ...] = ()
    """Further subscriptions of the tenant, which were ended."""
    others: tuple[str, ...] = ()
    """Subscriptions of the tenant that go on although the agreement is over."""


async def bring_about(provider: PaymentProvider, wanted: Wanted) -> Found:
    """Raises what the provider raises, but PaymentDeclined: that is an answer."""
    known = await provider.subscription(wanted.subscription) if wanted.subscription else None
    if known is None and wanted.end_now and wanted.customer is None:
        return Found(None, None, ())
    customer = known.customer if known else wanted.customer if wanted.end_now else None
    if customer is None or not (wanted.shared or wanted.end_now or (known and known.status.over)):
        # A shared one is told when something begins: each of its clinics would say something else of it.
        customer = await provider.ensure_customer(wanted.payer, known=customer or wanted.customer)
    subscription, others = await _alive(provider, wanted, customer, known)
    if subscription is None:
        subscription = await _begin(provider, wanted, customer)
    doubles: tuple[str, ...] = ()
    if subscription is not None and (not subscription.status.over or wanted.end_now):
        doubles, others = await _end_doubles(provider, others), ()
    if subscription is None:
        return Found(customer, None, await _invoices(provider, wanted, customer, None))
    made = False
    if not subscription.status.over:
        subscription = await _end_or_keep(provider, wanted, subscription)
    if not subscription.status.over:
        subscription, made = await _items(provider, wanted, subscription)
        subscription = await _resume(provider, wanted, subscription)
    invoices = await _invoices(provider, wanted, customer, subscription)
    invoices, refusals, paid = await _collect(provider, wanted, subscription, invoices)
    if paid:
        subscription = await provider.subscription(subscription.id) or subscription
    return Found(customer, subscription, invoices, refusals, made, doubles, others)


async def _alive(
    provider: PaymentProvider, wanted: Wanted, customer: str, known: Subscription | None
) -> tuple[Subscription | None, tuple[str, ...]]:
    """The tenant's subscription, and whatever else there is of it that goes on: begun by an attempt that died, or on a page that was open
    twice. The known one stays, else the oldest.
    """
    alive = [one for one in await provider.subscriptions(customer) if one.tenant_id == wanted.tenant_id and not one.status.over]
    stays = known or min(alive, key=lambda one: (one.created, one.id), default=None)
    return stays, tuple(sorted(one.id for one in alive if stays is None or one.id != stays.id))


async def _end_doubles(provider: PaymentProvider, doubles: tuple[str, ...]) -> tuple[str, ...]:
    """What was paid for them is credited."""
    for double in doubles:
        await provider.cancel(double, at_period_end=False, key=f"double:{double}")
    return doubles


async def _begin(provider: PaymentProvider, wanted: Wanted, customer: str) -> Subscription | None:
    if wanted.begins is Begins.CHECKOUT or wanted.end_now:
        return None
    ends = wanted.trial_ends or wanted.agreed_at
    key = f"begin:{wanted.tenant_id}:{_said(int(wanted.agreed_at.timestamp()), _amounts(wanted.items))}"
    return await provider.start_trial(wanted.tenant_id, customer, wanted.items, wanted.currency, trial_ends=ends, key=key)


async def _end_or_keep(provider: PaymentProvider, wanted: Wanted, present: Subscription) -> Subscription:
    if wanted.end_now:
        return await provider.cancel(present.id, at_period_end=False, key=f"gone:{wanted.key}")
    if wanted.cancel is True and not present.cancels_at_period_end:
        return await provider.cancel(present.id, at_period_end=True, key=f"end:{wanted.key}:{wanted.reading}")
    if wanted.cancel is False and present.cancels_at_period_end:
        return await provider.keep(present.id, key=f"keep:{wanted.key}:{wanted.reading}")
    return present


async def _resume(provider: PaymentProvider, wanted: Wanted, present: Subscription) -> Subscription:
    """A trial that ended without a card goes on as soon as there is one, by what is to be paid then."""
    if present.status is not SubscriptionStatus.PAUSED or not present.has_method:
        return present
    try:
        return await provider.resume(present.id, key=f"resume:{wanted.key}:{present.method}")
    except PaymentDeclined:
        return present


async def _items(provider: PaymentProvider, wanted: Wanted, present: Subscription) -> tuple[Subscription, bool]:
    if present.currency != wanted.currency:
        # The same number in another currency is another price: a person looks at it first.
        return present, False
    items = wanted.items
    if not wanted.settled:
        # What is being installed is not there yet, what is being removed still is: both are charged as before. The plan is not a module.
        kept = {item.key for item in items}
        items = tuple(item for item in items if item.key.startswith("plan.") or item.key in present.items)
        items += tuple(Item(key, amount, key) for key, amount in present.items.items() if key.startswith("module.") and key not in kept)
    if _amounts(items) == dict(present.items):
        return present, wanted.settled
    # An attempt may find other things to be paid than the one before it: then it asks for something else, under another key.
    said = _said(dict(present.items), _amounts(items), wanted.prorate_at and wanted.prorate_at.isoformat())
    return await provider.set_items(present.id, items, at=wanted.prorate_at, key=f"items:{wanted.key}:{said}"), wanted.settled


def _amounts(items: tuple[Item, ...]) -> dict[str, Decimal]:
    return {item.key: item.amount for item in items}


def _said(*what: Any) -> str:
    """What is asked for, in short, as part of a key: a provider refuses a key that comes with another request."""
    return digest(json.loads(json.dumps(what, default=str)))[-16:]


async def _invoices(provider: PaymentProvider, wanted: Wanted, customer: str, present: Subscription | None) -> tuple[Invoice, ...]:
    mine = wanted.known_subscriptions | ({present.id} if present else frozenset())
    found = [one for one in await provider.invoices(customer) if not wanted.shared or one.subscription in mine]
    for before in sorted(wanted.former - {customer}):
        found += [one for one in await provider.invoices(before) if one.subscription in mine]
    return tuple(found)


async def _collect(
    provider: PaymentProvider, wanted: Wanted, present: Subscription, invoices: tuple[Invoice, ...]
) -> tuple[tuple[Invoice, ...], tuple[Refusal, ...], bool]:
    """Pay what was refused from a card that did not refuse it yet. Once for each card: nobody is asked again and again."""
    done: list[Invoice] = []
    refusals: list[Refusal] = []
    paid = False
    for invoice in invoices:
        waits = invoice.status is InvoiceStatus.OPEN and invoice.attempts > 0 and present.method is not None
        if not waits or invoice.customer != present.customer or wanted.refused.get(invoice.id) == present.method:
            done.append(invoice)
            continue
        try:
            done.append(await provider.pay(invoice.id, key=f"pay:{invoice.id}:{present.method}"))
            paid = True
        except PaymentDeclined as error:
            refusals.append(Refusal(invoice.id, present.method, error.reason))
            present_one = await provider.invoice(invoice.id)
            done.append(replace(present_one or invoice, page=error.context.get("ask_at") or (present_one or invoice).page))
    return tuple(done), tuple(refusals), paid

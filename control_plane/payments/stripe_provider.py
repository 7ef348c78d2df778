"""Stripe, over its official SDK (API 2026-10-28). One client per process; every write carries an idempotency key."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeVar
from uuid import UUID

import stripe

from control_plane.payments import reading
from control_plane.payments.errors import NotFromProvider, PaymentDeclined, ProviderRefused, ProviderUnavailable
from control_plane.payments.values import (
    CheckoutOutcome,
    Happening,
    Invoice,
    Item,
    Page,
    Payer,
    Preview,
    Subscription,
    cents,
    money,
)
from dentalpin_kit.canonical import digest

T = TypeVar("T")

TIMEOUT_SECONDS: Final = 20.0
RETRIES: Final = 2
PAGE: Final = 100
_KEYS_AT_ONCE: Final = 10
_NOTHING_RUNS: Final = frozenset({"trialing", "paused"})
"""Subscriptions without a period that is paid for: changing them costs nothing now."""
_TOLD: Final = "told"
"""Beside the customer: what was said of it last, in short."""
_NO_MONEY_LOST: Final = frozenset({"won", "warning_closed", "warning_needs_response", "warning_under_review", "prevented"})
_REASON: Final = "requested_by_customer"


class StripeProvider:
    name = "stripe"

    def __init__(self, key: str, *, webhook_secret: str | None = None, base_url: str | None = None) -> None:
        """`base_url` points to the double instead of the real thing."""
        self._client = stripe.StripeClient(
            key,
            http_client=stripe.HTTPXClient(timeout=TIMEOUT_SECONDS),
            max_network_retries=RETRIES,
            base_addresses={"api": base_url} if base_url else {},
        )
        self._secret = webhook_secret

    # --- who

    async def account(self) -> str:
        found = await _asked(self._client.v1.accounts.retrieve_current_async())
        return found.id

    async def ensure_customer(self, payer: Payer, known: str | None = None) -> str:
        v1 = self._client.v1
        facts: Any = {
            "email": payer.email,
            "name": payer.name,
            "address": {"country": payer.country},
            "preferred_locales": [payer.locale],
            "metadata": {"dentalpin": payer.reference},
        }
        said = digest({**facts, "tax_id": payer.tax_id})
        present = await _asked(v1.customers.retrieve_async(known)) if known else None
        key = f"customer:{payer.reference}"
        if present is not None and getattr(present, "deleted", False):
            key, present = f"{key}:after:{present.id}", None
        if present is None:
            present = await self._customer_under(payer.reference)
        if present is None:
            present = await _asked(v1.customers.create_async(facts, {"idempotency_key": key}))
        if dict(present.metadata.to_dict() if present.metadata else {}).get(_TOLD) == said:
            # What somebody changed on the provider's own pages stays, until it changes here.
            return present.id
        if payer.tax_id:
            await self._ensure_tax_id(present.id, payer.country, payer.tax_id)
        facts["metadata"][_TOLD] = said
        await _asked(v1.customers.update_async(present.id, facts))
        return present.id

    async def find_customer(self, reference: str) -> str | None:
        found = await self._customer_under(reference)
        return found.id if found is not None else None

    async def _customer_under(self, reference: str) -> Any:
        found = await _asked(self._client.v1.customers.search_async({"query": f"metadata['dentalpin']:'{reference}'"}))
        return found.data[0] if found.data else None

    async def _ensure_tax_id(self, customer: str, country: str, number: str) -> None:
        kind = reading.tax_id_kind(country)
        if kind is None:
            return
        value = number if number.startswith(country) or kind != "eu_vat" else f"{country}{number}"
        known = await _asked(self._client.v1.customers.tax_ids.list_async(customer))
        for one in known.data:
            if one.type == kind and one.value != value:
                # An invoice names every number there is.
                await _asked(self._client.v1.customers.tax_ids.delete_async(customer, one.id))
        if any(one.value == value for one in known.data):
            return
        asked: Any = {"type": kind, "value": value}
        try:
            await _asked(self._client.v1.customers.tax_ids.create_async(customer, asked, {"idempotency_key": f"tax:{customer}:{value}"}))
        except ProviderRefused as error:
            # It checks numbers by rules of its own; an invoice without the number is better than no invoice.
            if error.context.get("provider_code") != "tax_id_invalid":
                raise

    # --- pages

    async def checkout(
        self, tenant_id: UUID, customer: str, items: Sequence[Item], currency: str, *, trial_ends: datetime | None, back: str, key: str
    ) -> Page:
        prices = await self._prices(items, currency)
        data: Any = {"metadata": {"tenant": str(tenant_id)}}
        if trial_ends is not None:
            data["trial_end"] = int(trial_ends.timestamp())
        asked: Any = {
            "mode": "subscription",
            "customer": customer,
            "client_reference_id": str(tenant_id),
            "line_items": [{"price": prices[item.key], "quantity": 1} for item in items],
            "subscription_data": data,
            "payment_method_collection": "always",
            "success_url": f"{back}?checkout={{CHECKOUT_SESSION_ID}}",
            "cancel_url": back,
            "metadata": {"tenant": str(tenant_id)},
        }
        made = await _asked(self._client.v1.checkout.sessions.create_async(asked, {"idempotency_key": key}))
        return Page(made.id, made.url or "", reading.moment(made.expires_at))

    async def checkout_outcome(self, checkout: str) -> CheckoutOutcome:
        found = await _asked(self._client.v1.checkout.sessions.retrieve_async(checkout))
        return CheckoutOutcome(
            found.id, found.status == "open", found.status == "complete", reading.id_of(found.customer), reading.id_of(found.subscription)
        )

    async def expire_checkout(self, checkout: str) -> None:
        if (await self.checkout_outcome(checkout)).open:
            await _asked(self._client.v1.checkout.sessions.expire_async(checkout))

    async def portal(self, customer: str, back: str) -> Page:
        made = await _asked(self._client.v1.billing_portal.sessions.create_async({"customer": customer, "return_url": back}))
        return Page(made.id, made.url)

    # --- subscriptions

    async def start_trial(
        self, tenant_id: UUID, customer: str, items: Sequence[Item], currency: str, *, trial_ends: datetime, key: str
    ) -> Subscription:
        prices = await self._prices(items, currency)
        asked: Any = {
            "customer": customer,
            "items": [{"price": prices[item.key], "quantity": 1} for item in items],
            "trial_end": int(trial_ends.timestamp()),
            "trial_settings": {"end_behavior": {"missing_payment_method": "pause"}},
            "metadata": {"tenant": str(tenant_id)},
            "expand": ["customer"],
        }
        made = await _asked(self._client.v1.subscriptions.create_async(asked, {"idempotency_key": key}))
        return reading.subscription(made)

    async def subscription(self, id_: str) -> Subscription | None:
        try:
            found = await _asked(self._client.v1.subscriptions.retrieve_async(id_, {"expand": ["customer"]}))
        except _Missing:
            return None
        return reading.subscription(found)

    async def subscriptions(self, customer: str) -> list[Subscription]:
        asked: Any = {"customer": customer, "status": "all", "limit": PAGE, "expand": ["data.customer"]}
        found = await _asked(self._client.v1.subscriptions.list_async(asked))
        return [reading.subscription(one) async for one in _pages(found)]

    async def all_subscriptions(self) -> AsyncIterator[Subscription]:
        asked: Any = {"limit": PAGE, "expand": ["data.customer"]}
        found = await _asked(self._client.v1.subscriptions.list_async(asked))
        async for one in _pages(found):
            yield reading.subscription(one)

    async def preview(self, subscription: str, items: Sequence[Item], *, at: datetime) -> Preview:
        present = await _asked(self._client.v1.subscriptions.retrieve_async(subscription))
        prices = await self._prices(items, present.currency.upper())
        monthly = sum((item.amount for item in items), Decimal("0.00"))
        currency = present.currency.upper()
        changes = reading.changes(present, prices)
        if not changes:
            return Preview(Decimal("0.00"), monthly, currency, (), at)
        details: Any = {"items": changes, "proration_behavior": "always_invoice"}
        if present.status in _NOTHING_RUNS:
            return Preview(Decimal("0.00"), monthly, currency, (), at)
        details["proration_date"] = _within_period(present, at)
        found = await _asked(
            self._client.v1.invoices.create_preview_async(
                {"customer": reading.id_of(present.customer) or "", "subscription": subscription, "subscription_details": details}
            )
        )
        lines = tuple(reading.line(one) for one in found.lines.data)
        net = found.total if found.total_excluding_tax is None else found.total_excluding_tax
        return Preview(money(net), monthly, currency, lines, at)

    async def set_items(self, subscription: str, items: Sequence[Item], *, at: datetime | None, key: str) -> Subscription:
        present = await _asked(self._client.v1.subscriptions.retrieve_async(subscription, {"expand": ["customer"]}))
        changes = reading.changes(present, await self._prices(items, present.currency.upper()))
        if not changes:
            return reading.subscription(present)
        asked: Any = {"items": changes, "proration_behavior": "always_invoice", "expand": ["customer"]}
        if present.status == "paused":
            # Its next period begins when it goes on, and is charged whole.
            asked["proration_behavior"] = "none"
        elif at is not None and present.status != "trialing":
            asked["proration_date"] = _within_period(present, at)
        changed = await _asked(self._client.v1.subscriptions.update_async(subscription, asked, {"idempotency_key": key}))
        return reading.subscription(changed)

    async def cancel(self, subscription: str, *, at_period_end: bool, key: str) -> Subscription:
        v1 = self._client.v1
        if at_period_end:
            asked: Any = {"cancel_at_period_end": True, "expand": ["customer"]}
            return reading.subscription(await _asked(v1.subscriptions.update_async(subscription, asked, {"idempotency_key": key})))
        present = await _asked(v1.subscriptions.retrieve_async(subscription, {"expand": ["customer"]}))
        if present.status in ("canceled", "incomplete_expired"):
            return reading.subscription(present)
        await _asked(v1.subscriptions.cancel_async(subscription, {"invoice_now": True, "prorate": True}, {"idempotency_key": key}))
        return reading.subscription(await _asked(v1.subscriptions.retrieve_async(subscription, {"expand": ["customer"]})))

    async def keep(self, subscription: str, *, key: str) -> Subscription:
        asked: Any = {"cancel_at_period_end": False, "expand": ["customer"]}
        return reading.subscription(await _asked(self._client.v1.subscriptions.update_async(subscription, asked, {"idempotency_key": key})))

    async def resume(self, subscription: str, *, key: str) -> Subscription:
        v1 = self._client.v1
        present = await _asked(v1.subscriptions.retrieve_async(subscription, {"expand": ["customer"]}))
        if present.status == "paused":
            # Its period begins now; what it has paused for is not charged.
            await _asked(v1.subscriptions.resume_async(subscription, {}, {"idempotency_key": key}))
            present = await _asked(v1.subscriptions.retrieve_async(subscription, {"expand": ["customer"]}))
        return reading.subscription(present)

    # --- invoices

    async def invoices(self, customer: str) -> list[Invoice]:
        asked: Any = {"customer": customer, "limit": PAGE, "expand": ["data.payments"]}
        found = await _asked(self._client.v1.invoices.list_async(asked))
        invoices = [one async for one in _pages(found) if one.status != "draft"]
        back = await self._given_back(customer)
        return [reading.invoice(one, back) for one in invoices]

    async def invoice(self, id_: str) -> Invoice | None:
        try:
            found = await _asked(self._client.v1.invoices.retrieve_async(id_, {"expand": ["payments"]}))
        except _Missing:
            return None
        return reading.invoice(found, await self._given_back(reading.id_of(found.customer) or ""))

    async def _given_back(self, customer: str) -> dict[str, tuple[int, int]]:
        """{payment intent: (refunded, disputed)} in cents, of all a customer ever paid."""
        v1 = self._client.v1
        charges = await _asked(v1.charges.list_async({"customer": customer, "limit": PAGE}))
        found: dict[str, tuple[int, int]] = {}
        async for charge in _pages(charges):
            intent = reading.id_of(charge.payment_intent)
            if intent is None or not charge.paid:
                continue
            disputed = 0
            if charge.disputed:
                disputes = await _asked(v1.disputes.list_async({"charge": charge.id, "limit": PAGE}))
                disputed = sum(one.amount for one in disputes.data if one.status not in _NO_MONEY_LOST)
            found[intent] = (charge.amount_refunded, disputed)
        return found

    async def pay(self, invoice: str, *, key: str) -> Invoice:
        v1 = self._client.v1
        try:
            await _asked(v1.invoices.pay_async(invoice, {"off_session": True}, {"idempotency_key": key}))
        except PaymentDeclined as error:
            present = await _asked(v1.invoices.retrieve_async(invoice))
            code = error.context.get("decline_code")
            wants_person = code in ("authentication_required", "invoice_payment_intent_requires_action")
            raise PaymentDeclined(error.reason, decline_code=code, ask_at=present.hosted_invoice_url if wants_person else None) from error
        except ProviderRefused as error:
            # Somebody was quicker: what was asked is so.
            if error.context.get("provider_code") != "invoice_already_paid":
                raise
        found = await self.invoice(invoice)
        assert found is not None
        return found

    async def refund(self, invoice: str, amount: Decimal, *, reason: str, key: str) -> None:
        found = await _asked(self._client.v1.invoices.retrieve_async(invoice, {"expand": ["payments"]}))
        intent = next((one for one in reading.intents(found, paid=True)), None)
        if intent is None:
            raise ProviderRefused("this invoice was not paid by card; pay it back the way it was paid.")
        asked: Any = {"payment_intent": intent, "amount": cents(amount), "reason": _REASON, "metadata": {"why": reason[:400]}}
        await _asked(self._client.v1.refunds.create_async(asked, {"idempotency_key": key}))

    async def forget(self, customer: str) -> None:
        with contextlib.suppress(_Missing):
            await _asked(self._client.v1.customers.delete_async(customer))

    # --- what happened there

    async def completed(self, happening: Happening) -> Happening:
        if "customer" in happening.objects or "charge" not in happening.objects:
            return happening
        try:
            charge = await _asked(self._client.v1.charges.retrieve_async(happening.objects["charge"]))
        except _Missing:
            return happening
        customer = reading.id_of(charge.customer)
        return replace(happening, objects={**happening.objects, "customer": customer}) if customer else happening

    def read_webhook(self, body: bytes, headers: Mapping[str, str]) -> Happening:
        if self._secret is None:
            raise NotFromProvider
        try:
            event = stripe.Webhook.construct_event(body, headers.get("stripe-signature", ""), self._secret)
        except (ValueError, stripe.SignatureVerificationError) as error:
            raise NotFromProvider from error
        return reading.happening(event)

    async def happenings(self, since: datetime) -> AsyncIterator[Happening]:
        found = await _asked(self._client.v1.events.list_async({"created": {"gte": int(since.timestamp())}, "limit": PAGE}))
        for event in reversed([reading.happening(one) async for one in _pages(found)]):
            yield event

    async def _prices(self, items: Sequence[Item], currency: str) -> dict[str, str]:
        """{item: price} at the provider, made where there is none. An amount that changes is another price: the old one stays as it was."""
        wanted = {item.key: f"dentalpin:{item.key}:{currency.lower()}:{cents(item.amount)}" for item in items}
        known: dict[str, str] = {}
        names = sorted(set(wanted.values()))
        for start in range(0, len(names), _KEYS_AT_ONCE):
            found = await _asked(self._client.v1.prices.list_async({"lookup_keys": names[start : start + _KEYS_AT_ONCE], "limit": PAGE}))
            known.update({str(one.lookup_key): one.id for one in found.data})
        for item in items:
            if wanted[item.key] not in known:
                known[wanted[item.key]] = await self._new_price(item, currency, wanted[item.key])
        return {key: known[name] for key, name in wanted.items()}

    async def _new_price(self, item: Item, currency: str, name: str) -> str:
        v1 = self._client.v1
        product = f"dentalpin_{item.key.replace('.', '_')}"
        try:
            await _asked(v1.products.create_async({"id": product, "name": item.title, "metadata": {"item": item.key}}))
        except ProviderRefused as error:
            if error.context.get("provider_code") != "resource_already_exists":
                raise
        asked: Any = {
            "product": product,
            "currency": currency.lower(),
            "unit_amount": cents(item.amount),
            "recurring": {"interval": "month"},
            "lookup_key": name,
            "tax_behavior": "exclusive",
            "metadata": {"item": item.key},
        }
        made = await _asked(v1.prices.create_async(asked, {"idempotency_key": f"price:{name}"}))
        return made.id


def _within_period(present: Any, at: datetime) -> int:
    """The moment to reckon with. What was confirmed in the period before is charged from this one's beginning: its predecessor was paid
    for as it was, and the provider takes no moment outside."""
    begun: list[int] = [item.current_period_start for item in present["items"].data]
    return max(int(at.timestamp()), *begun)


class _Missing(ProviderRefused):
    """There is no such object."""


async def _pages(found: Any) -> AsyncIterator[Any]:
    """Everything of a list, page after page, with the errors of a call."""
    iterator = aiter(found.auto_paging_iter())
    while True:
        try:
            one = await _asked(anext(iterator))
        except StopAsyncIteration:
            return
        yield one


async def _asked(call: Awaitable[T]) -> T:
    """The provider's answer, or one of our errors."""
    try:
        return await call
    except stripe.CardError as error:
        raise PaymentDeclined(error.user_message or "The card was declined", decline_code=error.code) from error
    except (stripe.APIConnectionError, stripe.RateLimitError) as error:
        raise ProviderUnavailable(type(error).__name__) from error
    except stripe.InvalidRequestError as error:
        refusal = _Missing if error.code == "resource_missing" else ProviderRefused
        raise refusal(error.user_message or str(error), provider_code=error.code) from error
    except stripe.APIError as error:
        raise ProviderUnavailable(f"status {error.http_status}") from error
    except stripe.StripeError as error:
        raise ProviderRefused(error.user_message or type(error).__name__, provider_code=error.code) from error

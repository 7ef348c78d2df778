"""From the provider's objects to our values, and from wanted items to the change of a subscription. Pure."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from control_plane.payments.values import Happening, Invoice, InvoiceLine, InvoiceStatus, Subscription, SubscriptionStatus, money

_TAX_KINDS: Final = {"ES": "es_cif", "GB": "gb_vat", "CH": "ch_vat", "NO": "no_vat"}
_EU: Final = frozenset(
    {"AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT"}
    | {"RO", "SE", "SI", "SK"}
)


def moment(seconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def id_of(value: Any) -> str | None:
    """An id, whether it was expanded or not."""
    if value is None or isinstance(value, str):
        return value
    return str(value.id)


def tax_id_kind(country: str) -> str | None:
    """The provider's name for a country's business number; None where it knows none."""
    return _TAX_KINDS.get(country) or ("eu_vat" if country in _EU else None)


def subscription(found: Any) -> Subscription:
    items = found["items"].data
    customer = found.customer
    card = found.default_payment_method or (None if isinstance(customer, str) else customer.invoice_settings.default_payment_method)
    ends = max((item.current_period_end for item in items), default=found.created)
    return Subscription(
        id=found.id,
        customer=id_of(customer) or "",
        status=SubscriptionStatus(found.status),
        tenant_id=_tenant(found.metadata),
        items={key_of(item): money(item.price.unit_amount * (item.quantity or 1)) for item in items},
        currency=found.currency.upper(),
        trial_ends=moment(found.trial_end),
        period_ends=datetime.fromtimestamp(ends, UTC),
        cancels_at_period_end=bool(found.cancel_at_period_end),
        has_method=card is not None,
        created=datetime.fromtimestamp(found.created, UTC),
        ended=moment(found.ended_at),
        method=id_of(card),
    )


def _tenant(metadata: Any) -> UUID | None:
    named = dict(metadata.to_dict() if metadata else {}).get("tenant")
    try:
        return UUID(named) if named else None
    except ValueError:
        return None


def key_of(item: Any) -> str:
    """What an item of a subscription is sold as; its price's id for one that was not made here."""
    known = item.price.metadata.to_dict() if item.price.metadata else {}
    return str(known.get("item", item.price.id))


def changes(present: Any, prices: Mapping[str, str]) -> list[dict[str, Any]]:
    """What to send so that exactly these prices are paid, once each; nothing where they are."""
    wanted = dict(prices)
    found: list[dict[str, Any]] = []
    for item in present["items"].data:
        price = wanted.pop(key_of(item), None)
        if price is None:
            found.append({"id": item.id, "deleted": True})
        elif price != item.price.id or (item.quantity or 1) != 1:
            found.append({"id": item.id, "price": price, "quantity": 1})
    return found + [{"price": price, "quantity": 1} for _, price in sorted(wanted.items())]


def invoice(found: Any, given_back: Mapping[str, tuple[int, int]]) -> Invoice:
    back = [given_back.get(intent, (0, 0)) for intent in intents(found, paid=True)]
    parent = found.parent
    return Invoice(
        id=found.id,
        number=found.number,
        customer=id_of(found.customer) or "",
        subscription=id_of(parent.subscription_details.subscription) if parent and parent.subscription_details else None,
        status=InvoiceStatus(found.status),
        currency=found.currency.upper(),
        net=money(found.total_excluding_tax if found.total_excluding_tax is not None else found.total),
        total=money(found.total),
        due=money(found.amount_remaining),
        paid=money(found.amount_paid),
        created=datetime.fromtimestamp(found.created, UTC),
        due_at=moment(found.due_date),
        paid_at=moment(found.status_transitions.paid_at),
        attempts=found.attempt_count,
        next_attempt=moment(found.next_payment_attempt),
        page=found.hosted_invoice_url,
        lines=tuple(line(one) for one in found.lines.data),
        refunded=sum((money(refunded) for refunded, _ in back), Decimal("0.00")),
        disputed=sum((money(disputed) for _, disputed in back), Decimal("0.00")),
    )


def intents(found: Any, *, paid: bool) -> Iterator[str]:
    """The payments of an invoice that went through (or all)."""
    for payment in found.payments.data if found.payments else ():
        if payment.status == "paid" or not paid:
            intent = id_of(payment.payment.payment_intent)
            if intent is not None:
                yield intent


def line(found: Any) -> InvoiceLine:
    parent = found.parent
    details = (parent.subscription_item_details or parent.invoice_item_details) if parent else None
    return InvoiceLine(
        text=found.description or "",
        amount=money(found.amount),
        starts=datetime.fromtimestamp(found.period.start, UTC),
        ends=datetime.fromtimestamp(found.period.end, UTC),
        proration=bool(details and details.proration),
    )


def happening(event: Any) -> Happening:
    subject = event.data.object.to_dict()
    objects = {str(subject.get("object", "")).rpartition(".")[2]: str(subject.get("id", ""))}
    for name in ("customer", "subscription", "invoice", "charge", "payment_intent"):
        value = subject.get(name)
        if isinstance(value, str):
            objects[name] = value
    parent = subject.get("parent") or {}
    of_invoice = (parent.get("subscription_details") or {}).get("subscription") if isinstance(parent, dict) else None
    if isinstance(of_invoice, str):
        # An invoice says only there whose it is: one customer may pay for hundreds.
        objects["subscription"] = of_invoice
    return Happening(event.id, event.type, datetime.fromtimestamp(event.created, UTC), objects)

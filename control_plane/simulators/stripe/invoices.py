"""Invoices: from lines to paid. Status: draft → open → paid | void | uncollectible."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from control_plane.simulators.stripe import payments
from control_plane.simulators.stripe.book import Book, Object, listing
from control_plane.simulators.stripe.errors import Declined, invalid
from control_plane.simulators.stripe.periods import DAY, tax

LIVE: Final = ("active", "past_due", "unpaid", "trialing", "incomplete", "paused")


@dataclass(frozen=True)
class Rules:
    """What an account's owner sets in the provider's dashboard."""

    retry_days: tuple[int, ...] = (3, 5, 7)
    """Days between one failed attempt and the next."""
    after_retries: str = "past_due"
    """What becomes of a subscription after the last attempt: past_due | unpaid | canceled."""
    finalize_after: int = 3600
    """Seconds a renewal's invoice stays a draft."""


@dataclass(frozen=True)
class Line:
    amount: int
    description: str
    start: int
    end: int
    price: Object | None = None
    quantity: int = 1
    item: str | None = None
    proration: bool = False


class Invoices:
    def __init__(self, book: Book, rules: Rules, site: Callable[[], str]) -> None:
        self._book = book
        self._rules = rules
        self._site = site

    def make(
        self,
        customer: Object,
        lines: list[Line],
        *,
        reason: str,
        currency: str,
        subscription: Object | None = None,
        auto_advance: bool = True,
        **facts: Any,
    ) -> Object:
        """A draft with these lines and whatever waits for the customer's next invoice."""
        book = self._book
        now = book.now(customer["id"])
        invoice = book.new(
            "invoice",
            customer=customer["id"],
            customer_email=customer["email"],
            customer_name=customer["name"],
            currency=currency,
            status="draft",
            billing_reason=reason,
            collection_method=facts.get("collection_method") or (subscription or {}).get("collection_method", "charge_automatically"),
            auto_advance=auto_advance,
            attempt_count=0,
            attempted=False,
            next_payment_attempt=None,
            number=None,
            hosted_invoice_url=None,
            invoice_pdf=None,
            description=None,
            metadata=facts.get("metadata") or {},
            default_payment_method=None,
            due_date=None,
            parent=_parent(subscription),
            payments=listing([], ""),
            status_transitions={"finalized_at": None, "paid_at": None, "marked_uncollectible_at": None, "voided_at": None},
            test_clock=customer.get("test_clock"),
            starting_balance=customer["balance"],
            ending_balance=None,
            amount_overpaid=0,
            post_payment_credit_notes_amount=0,
            pre_payment_credit_notes_amount=0,
            last_finalization_error=None,
            _days_until_due=facts.get("days_until_due") or (subscription or {}).get("days_until_due"),
        )
        waiting = [
            one
            for one in book.of("invoiceitem", customer=customer["id"], invoice=None)
            if one["_subscription"] in (None, (subscription or {}).get("id"))
        ]
        for one in waiting:
            one["invoice"] = invoice["id"]
        rows = [self._line(line, invoice, subscription) for line in [*(_pending(one) for one in waiting), *lines]]
        invoice["lines"] = listing(rows, f"/v1/invoices/{invoice['id']}/lines")
        invoice["period_start"] = min((line.start for line in lines), default=now)
        invoice["period_end"] = max((line.end for line in lines), default=now)
        self.total(invoice, customer, (subscription or {}).get("default_tax_rates") or facts.get("tax_rates") or [])
        book.event("invoice.created", invoice)
        if subscription is not None:
            subscription["latest_invoice"] = invoice["id"]
        return invoice

    def total(self, invoice: Object, customer: Object, tax_rates: list[Object]) -> None:
        subtotal = sum(line["amount"] for line in invoice["lines"]["data"])
        taxes = [
            {
                "amount": tax(subtotal, rate["percentage"]),
                "tax_behavior": "exclusive",
                "taxable_amount": subtotal,
                "type": "tax_rate_details",
                "tax_rate_details": {"tax_rate": rate["id"]},
            }
            for rate in tax_rates
        ]
        total = subtotal + sum(one["amount"] for one in taxes)
        # A balance below zero is what the customer has in hand.
        used = max(customer["balance"], -total) if total > 0 else 0
        due = total + used if total > 0 else 0
        invoice.update(
            subtotal=subtotal,
            subtotal_excluding_tax=subtotal,
            total_taxes=taxes,
            total=total,
            total_excluding_tax=subtotal,
            amount_due=due,
            amount_paid=0,
            amount_remaining=due,
            _balance_used=used,
        )

    def finalize(self, invoice: Object) -> Object:
        """Give it its number: from here on it is owed. One that owes nothing is paid at once."""
        if invoice["status"] != "draft":
            raise invalid("This invoice is already finalized, you can't re-finalize a non-draft invoice.", code="invoice_not_editable")
        book = self._book
        customer = book.get("customer", invoice["customer"])
        now = book.now(customer["id"])
        customer["_invoices"] = customer.get("_invoices", 0) + 1
        if invoice["total"] < 0:
            customer["balance"] += invoice["total"]
        else:
            customer["balance"] -= invoice["_balance_used"]
        invoice.update(
            status="open",
            number=f"{customer['invoice_prefix']}-{customer['_invoices']:04}",
            ending_balance=customer["balance"],
            hosted_invoice_url=f"{self._site()}/invoice/{invoice['id']}",
        )
        invoice["status_transitions"]["finalized_at"] = now
        if invoice["collection_method"] == "send_invoice":
            invoice["due_date"] = now + DAY * (invoice["_days_until_due"] or 30)
        elif invoice["auto_advance"]:
            invoice["next_payment_attempt"] = now
        book.event("invoice.finalized", invoice)
        if invoice["amount_due"] == 0:
            self.paid(invoice)
        elif invoice["collection_method"] == "send_invoice":
            book.event("invoice.sent", invoice)
        return invoice

    def payment_method(self, invoice: Object) -> str | None:
        subscription = self.subscription(invoice)
        customer = self._book.get("customer", invoice["customer"])
        method: str | None = (
            invoice["default_payment_method"]
            or (subscription or {}).get("default_payment_method")
            or customer["invoice_settings"]["default_payment_method"]
        )
        return method

    def subscription(self, invoice: Object) -> Object | None:
        parent = invoice["parent"]
        return self._book.find("subscription", parent["subscription_details"]["subscription"]) if parent else None

    def attempt(
        self, invoice: Object, *, method: str | None = None, off_session: bool = True, authenticated: bool = False, scheduled: bool = True
    ) -> bool:
        """Try to collect. A refusal is written down and, on the schedule, followed by another attempt; True when paid."""
        book = self._book
        method = method or self.payment_method(invoice)
        intent = self._intent(invoice, method)
        invoice["attempted"] = True
        if intent is not None:
            payments.pay(book, intent, off_session=off_session, authenticated=authenticated)
            if intent["status"] == "succeeded":
                self.paid(invoice, intent)
                return True
        if not scheduled:
            return False
        before = invoice["attempt_count"]
        invoice["attempt_count"] += 1
        days = self._rules.retry_days
        now = book.now(invoice["customer"])
        automatic = invoice["auto_advance"] and invoice["collection_method"] == "charge_automatically" and before < len(days)
        invoice["next_payment_attempt"] = now + days[before] * DAY if automatic else None
        action = intent is not None and intent["status"] == "requires_action"
        book.event("invoice.payment_failed", invoice)
        if action:
            book.event("invoice.payment_action_required", invoice)
        self._after_failure(invoice, last=before >= len(days))
        return False

    def _after_failure(self, invoice: Object, *, last: bool) -> None:
        book = self._book
        subscription = self.subscription(invoice)
        if subscription is None:
            return
        if subscription["status"] in ("active", "trialing"):
            book.changed("customer.subscription.updated", subscription, status="past_due")
        if last and subscription["status"] == "past_due":
            if self._rules.after_retries == "unpaid":
                book.changed("customer.subscription.updated", subscription, status="unpaid")
            elif self._rules.after_retries == "canceled":
                now = book.now(subscription["customer"])
                subscription.update(status="canceled", canceled_at=now, ended_at=now)
                book.event("customer.subscription.deleted", subscription)

    def _intent(self, invoice: Object, method: str | None) -> Object | None:
        book = self._book
        if method is None:
            return None
        known = [one for one in invoice["payments"]["data"] if one["status"] == "open"]
        if known:
            intent = book.get("payment_intent", known[-1]["payment"]["payment_intent"])
            intent["payment_method"] = method
            return intent
        intent = payments.new_intent(book, invoice["customer"], invoice["amount_remaining"], invoice["currency"], method)
        payment = book.new(
            "invoice_payment",
            invoice=invoice["id"],
            amount_requested=invoice["amount_remaining"],
            amount_paid=None,
            currency=invoice["currency"],
            is_default=True,
            status="open",
            payment={"type": "payment_intent", "payment_intent": intent["id"]},
            status_transitions={"paid_at": None, "canceled_at": None},
        )
        invoice["payments"]["data"].append(payment)
        return intent

    def pay(self, invoice: Object, *, method: str | None = None, out_of_band: bool = False, off_session: bool = False) -> Object:
        """Somebody pays now. Raises Declined with the bank's reason, or invalid where there is nothing to pay."""
        if invoice["status"] == "draft":
            self.finalize(invoice)
        if invoice["status"] == "paid":
            raise invalid("Invoice is already paid", code="invoice_already_paid")
        if invoice["status"] not in ("open", "uncollectible"):
            raise invalid(f"This invoice is {invoice['status']} and can't be paid.", code="invoice_not_payable")
        if out_of_band:
            self.paid(invoice)
            return invoice
        if method is None and self.payment_method(invoice) is None:
            raise invalid(
                "There is no default_payment_method set on this Customer or Invoice.", code="invoice_payment_intent_requires_action"
            )
        if not self.attempt(invoice, method=method, off_session=off_session, scheduled=False):
            intent = self._book.get("payment_intent", invoice["payments"]["data"][-1]["payment"]["payment_intent"])
            error = intent["last_payment_error"] or {
                "code": "invoice_payment_intent_requires_action",
                "message": "Authentication is needed.",
            }
            raise Declined(error["code"], error.get("decline_code"), error["message"], payment_intent={"id": intent["id"]})
        return invoice

    def pay_by(self, invoice: Object, method: str) -> Object:
        """The cardholder pays on the invoice's own page, there to authenticate. Raises Declined."""
        if invoice["status"] not in ("open", "uncollectible"):
            raise invalid(f"This invoice is {invoice['status']} and can't be paid.", code="invoice_not_payable")
        if not self.attempt(invoice, method=method, off_session=False, authenticated=True, scheduled=False):
            raise Declined("card_declined", None, "Your card was declined.")
        return invoice

    def paid(self, invoice: Object, intent: Object | None = None) -> None:
        book = self._book
        now = book.now(invoice["customer"])
        invoice.update(status="paid", attempted=True, amount_paid=invoice["amount_due"], amount_remaining=0, next_payment_attempt=None)
        invoice["status_transitions"]["paid_at"] = now
        if intent is not None:
            for payment in invoice["payments"]["data"]:
                if payment["payment"]["payment_intent"] == intent["id"]:
                    payment.update(status="paid", amount_paid=intent["amount"])
                    payment["status_transitions"]["paid_at"] = now
        book.event("invoice.paid", invoice)
        book.event("invoice.payment_succeeded", invoice)
        subscription = self.subscription(invoice)
        if subscription is None or subscription["latest_invoice"] != invoice["id"]:
            return
        if subscription["status"] in ("past_due", "unpaid", "incomplete"):
            book.changed("customer.subscription.updated", subscription, status="active")

    def void(self, invoice: Object) -> Object:
        if invoice["status"] not in ("open", "uncollectible"):
            raise invalid(f"You can only void an open invoice; this one is {invoice['status']}.", code="invoice_not_editable")
        invoice.update(status="void", next_payment_attempt=None, auto_advance=False)
        invoice["status_transitions"]["voided_at"] = self._book.now(invoice["customer"])
        self._book.event("invoice.voided", invoice)
        return invoice

    def give_up(self, invoice: Object) -> Object:
        if invoice["status"] != "open":
            raise invalid("Only open invoices can be marked uncollectible.", code="invoice_not_editable")
        invoice.update(status="uncollectible", next_payment_attempt=None)
        invoice["status_transitions"]["marked_uncollectible_at"] = self._book.now(invoice["customer"])
        self._book.event("invoice.marked_uncollectible", invoice)
        return invoice

    def _line(self, line: Line, invoice: Object, subscription: Object | None) -> Object:
        details: Object = {"proration": line.proration, "subscription": (subscription or {}).get("id")}
        kind = "subscription_item_details" if line.item else "invoice_item_details"
        if line.item:
            details["subscription_item"] = line.item
        return {
            "id": f"il_{secrets.token_hex(8)}",
            "object": "line_item",
            "amount": line.amount,
            "subtotal": line.amount,
            "currency": invoice["currency"],
            "description": line.description,
            "invoice": invoice["id"],
            "livemode": False,
            "metadata": {},
            "quantity": line.quantity,
            "period": {"start": line.start, "end": line.end},
            "parent": {"type": kind, "subscription_item_details": None, "invoice_item_details": None, kind: details},
            "pricing": {
                "type": "price_details",
                "price_details": {"price": line.price["id"], "product": line.price["product"]},
                "unit_amount_decimal": str(line.price["unit_amount"]),
            }
            if line.price
            else None,
            "taxes": [],
            "discounts": [],
        }


def _parent(subscription: Object | None) -> Object | None:
    if subscription is None:
        return None
    details = {"subscription": subscription["id"], "metadata": dict(subscription["metadata"])}
    return {"type": "subscription_details", "subscription_details": details, "quote_details": None}


def _pending(item: Object) -> Line:
    return Line(
        item["amount"],
        item["description"],
        item["period"]["start"],
        item["period"]["end"],
        item["_price"],
        item["quantity"],
        item["_item"],
        item["proration"],
    )

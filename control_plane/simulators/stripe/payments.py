"""Cards and what the bank answers. Numbers and behaviour are the provider's documented test cards."""

import secrets
from dataclasses import dataclass
from typing import Any, Final

from control_plane.simulators.stripe.book import Book, Object
from control_plane.simulators.stripe.errors import Declined, invalid


@dataclass(frozen=True)
class Card:
    brand: str
    last4: str
    attach: str | None = None
    """The decline code with which it is refused already when it is stored."""
    charge: str | None = None
    authentication: str = "never"
    """`setup`: asked for once, when the card is stored; `always`: at every payment."""
    disputed: bool = False


CARDS: Final = {
    "4242424242424242": Card("visa", "4242"),
    "5555555555554444": Card("mastercard", "4444"),
    "4000000000000002": Card("visa", "0002", attach="generic_decline"),
    "4000000000000069": Card("visa", "0069", attach="expired_card"),
    "4000000000000341": Card("visa", "0341", charge="generic_decline"),
    "4000000000009995": Card("visa", "9995", attach="insufficient_funds", charge="insufficient_funds"),
    "4000002500003155": Card("visa", "3155", authentication="setup"),
    "4000002760003184": Card("visa", "3184", authentication="always"),
    "4000000000000259": Card("visa", "0259", disputed=True),
}
TOKENS: Final = {
    "pm_card_visa": "4242424242424242",
    "pm_card_mastercard": "5555555555554444",
    "pm_card_chargeCustomerFail": "4000000000000341",
    "pm_card_authenticationRequired": "4000002760003184",
    "pm_card_authenticationRequiredOnSetup": "4000002500003155",
    "pm_card_createDispute": "4000000000000259",
}
_MESSAGES: Final = {
    "insufficient_funds": "Your card has insufficient funds.",
    "expired_card": "Your card has expired.",
    "generic_decline": "Your card was declined.",
}


def make_method(book: Book, number: str, *, email: str | None = None) -> Object:
    """A card as a payment method. Raises invalid for numbers that are no test cards."""
    number = number.replace(" ", "")
    card = CARDS.get(number)
    if card is None:
        raise invalid("Your card number is incorrect: only test cards are known here.", "card.number", "incorrect_number")
    return book.new(
        "payment_method",
        type="card",
        customer=None,
        billing_details={"email": email, "name": None, "phone": None, "address": None},
        card={"brand": card.brand, "last4": card.last4, "exp_month": 12, "exp_year": 2035, "funding": "credit", "country": "ES"},
        metadata={},
        _number=number,
        _authenticated=card.authentication == "never",
    )


def method(book: Book, id_: str, param: str = "payment_method") -> Object:
    """A payment method by its id, or one of the provider's named test cards, which are made when asked for."""
    if id_ in TOKENS:
        return make_method(book, TOKENS[id_])
    return book.get("payment_method", id_, param)


def card_of(stored: Object) -> Card:
    return CARDS[stored["_number"]]


def attach(book: Book, stored: Object, customer: str) -> Object:
    """Make a card a customer's. Raises Declined."""
    card = card_of(stored)
    if card.attach:
        raise Declined("card_declined" if card.attach != "expired_card" else "expired_card", card.attach, _MESSAGES[card.attach])
    if stored["customer"] not in (None, customer):
        raise invalid("The payment method you provided has already been attached to a customer.", code="payment_method_already_attached")
    if stored["customer"] is None:
        stored["customer"] = customer
        book.event("payment_method.attached", stored)
    return stored


def pay(book: Book, intent: Object, *, off_session: bool, authenticated: bool = False) -> Object:
    """Try to pay an intent with its payment method; the intent tells the outcome, and on success its charge.

    Raises nothing for a refusal: `status` is then `requires_payment_method` or `requires_action`, with `last_payment_error`.
    """
    stored = book.get("payment_method", intent["payment_method"])
    card = card_of(stored)
    wanted = card.authentication == "always" or (card.authentication == "setup" and not stored["_authenticated"])
    if wanted and not authenticated:
        error = {"type": "card_error", "code": "authentication_required", "message": "The cardholder must authenticate this payment."}
        intent.update(status="requires_action", last_payment_error=error if off_session else None)
        intent["next_action"] = {"type": "use_stripe_sdk"}
        book.event("payment_intent.requires_action", intent)
        return intent
    if card.charge:
        error = {"type": "card_error", "code": "card_declined", "decline_code": card.charge, "message": _MESSAGES[card.charge]}
        intent.update(status="requires_payment_method", last_payment_error=error, next_action=None)
        _charge(book, intent, "failed", error)
        book.event("payment_intent.payment_failed", intent)
        return intent
    charge = _charge(book, intent, "succeeded", None)
    intent.update(status="succeeded", last_payment_error=None, next_action=None, amount_received=intent["amount"])
    intent["latest_charge"] = charge["id"]
    book.event("charge.succeeded", charge)
    book.event("payment_intent.succeeded", intent)
    if card.disputed:
        open_dispute(book, charge)
    return intent


def new_intent(book: Book, customer: str, amount: int, currency: str, payment_method: str, **facts: Any) -> Object:
    intent = book.new(
        "payment_intent",
        customer=customer,
        amount=amount,
        amount_received=0,
        currency=currency,
        payment_method=payment_method,
        status="requires_confirmation",
        last_payment_error=None,
        latest_charge=None,
        next_action=None,
        metadata={},
        **facts,
    )
    intent["client_secret"] = f"{intent['id']}_secret_{secrets.token_hex(6)}"
    return intent


def _charge(book: Book, intent: Object, status: str, error: Object | None) -> Object:
    charge = book.new(
        "charge",
        customer=intent["customer"],
        amount=intent["amount"],
        amount_refunded=0,
        currency=intent["currency"],
        payment_intent=intent["id"],
        payment_method=intent["payment_method"],
        status=status,
        paid=status == "succeeded",
        refunded=False,
        disputed=False,
        failure_code=error["code"] if error else None,
        failure_message=error["message"] if error else None,
        metadata={},
    )
    if error:
        book.event("charge.failed", charge)
    return charge


def refund(book: Book, charge: Object, amount: int | None, reason: str | None, metadata: dict[str, str]) -> Object:
    """Give back part of a charge, or what is left of it. Raises invalid where there is nothing left."""
    left = charge["amount"] - charge["amount_refunded"]
    wanted = left if amount is None else amount
    if not charge["paid"] or left == 0:
        raise invalid(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if not 0 < wanted <= left:
        raise invalid(f"Refund amount ({wanted}) is greater than unrefunded amount on charge ({left})", "amount")
    if charge["disputed"]:
        raise invalid(f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed")
    made = book.new(
        "refund",
        charge=charge["id"],
        payment_intent=charge["payment_intent"],
        amount=wanted,
        currency=charge["currency"],
        status="succeeded",
        reason=reason,
        metadata=metadata,
        _customer=charge["customer"],
    )
    charge["amount_refunded"] += wanted
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    book.event("refund.created", made)
    book.event("charge.refunded", charge)
    return made


def open_dispute(book: Book, charge: Object, reason: str = "fraudulent") -> Object:
    """The cardholder's bank takes the money back until it is decided."""
    made = book.new(
        "dispute",
        charge=charge["id"],
        payment_intent=charge["payment_intent"],
        amount=charge["amount"],
        currency=charge["currency"],
        reason=reason,
        status="needs_response",
        metadata={},
    )
    charge["disputed"] = True
    book.event("charge.dispute.created", made)
    book.event("charge.dispute.funds_withdrawn", made)
    return made


def close_dispute(book: Book, made: Object, *, won: bool) -> Object:
    made["status"] = "won" if won else "lost"
    if won:
        book.get("charge", made["charge"])["disputed"] = False
        book.event("charge.dispute.funds_reinstated", made)
    book.event("charge.dispute.closed", made)
    return made

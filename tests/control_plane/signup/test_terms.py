"""How a clinic begins to pay, and what that costs today."""

from datetime import date
from decimal import Decimal

import pytest

from control_plane.plans import Tariff, official_tariff
from control_plane.signup.terms import Doors, Payment, Terms

TARIFF = official_tariff()
NO_TRIAL = Tariff.model_validate({**TARIFF.model_dump(), "trial_days": 0})
TODAY = date(2026, 11, 22)


CARDS, TRANSFERS, NOTHING = Doors(cards=True), Doors(transfers=True), Doors()


@pytest.mark.parametrize(
    ("tariff", "doors", "choices"),
    [
        (TARIFF, CARDS, (Payment.TRIAL, Payment.CARD)),
        (TARIFF, Doors(cards=True, card_first=True), (Payment.CARD,)),
        (TARIFF, TRANSFERS, (Payment.INVOICE,)),
        (TARIFF, Doors(cards=True, transfers=True), (Payment.TRIAL, Payment.CARD, Payment.INVOICE)),
        (NO_TRIAL, CARDS, (Payment.CARD,)),
        (TARIFF, NOTHING, ()),
    ],
)
def test_what_may_be_chosen_follows_the_tariff_and_the_platform(tariff, doors, choices):
    assert Terms.of(tariff, doors, TODAY).choices == choices


@pytest.mark.parametrize("typed", ["", "gold", "invoice"])
def test_what_is_not_offered_is_what_is_proposed(typed: str):
    assert Terms.of(TARIFF, CARDS, TODAY).chosen(typed) is Payment.TRIAL
    assert Terms.of(TARIFF, NOTHING, TODAY).chosen(typed) is None


@pytest.mark.parametrize(
    ("tariff", "payment", "today", "first"),
    [
        (TARIFF, Payment.TRIAL, "0.00", date(2026, 12, 22)),
        (TARIFF, Payment.CARD, "0.00", date(2026, 12, 22)),
        (NO_TRIAL, Payment.CARD, "41.00", None),
        (NO_TRIAL, Payment.INVOICE, "0.00", None),
    ],
)
def test_only_a_card_without_a_trial_pays_today(tariff, payment, today, first):
    terms = Terms.of(tariff, Doors(cards=True, transfers=True), TODAY)
    assert terms.due_today(payment, tariff.quote("solo", ["agenda"], "EUR")) == Decimal(today)
    assert terms.trial_ends == first

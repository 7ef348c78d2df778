"""Tariffs: complete in every currency, additive, and honest about limits."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from control_plane.plans import official_tariff
from control_plane.plans.errors import CurrencyNotOffered, LimitExceeded, PlanRetired, UnknownPlan
from control_plane.plans.tariff import Tariff

TARIFF = official_tariff()
MODULES = ["agenda", "inventory", "patients", "made_by_somebody"]


def changed(**changes):
    return Tariff.model_validate({**TARIFF.model_dump(), **changes})


def test_a_choice_costs_the_plan_and_what_the_plan_does_not_include():
    quote = TARIFF.quote("practice", ["inventory", "agenda", "patients"], "EUR")

    assert [(line.item, line.amount, line.included) for line in quote.lines] == [
        ("plan.practice", Decimal("59.00"), False),
        ("module.agenda", Decimal("0.00"), True),
        ("module.inventory", Decimal("9.00"), False),
        ("module.patients", Decimal("0.00"), True),
    ]
    assert quote.total == Decimal("68.00")
    assert quote.paid == {"plan.practice": Decimal("59.00"), "module.inventory": Decimal("9.00")}


@given(st.sampled_from(sorted(TARIFF.plans)), st.sets(st.sampled_from(MODULES)), st.sampled_from(TARIFF.currencies))
def test_modules_are_priced_one_by_one(plan, modules, currency):
    nothing = TARIFF.quote(plan, [], currency).total
    alone = sum(TARIFF.quote(plan, [module], currency).total - nothing for module in modules)
    assert TARIFF.quote(plan, modules, currency).total == nothing + alone


def test_what_law_adds_can_be_given_for_free():
    assert TARIFF.quote("solo", ["agenda"], "EUR", free=frozenset({"agenda"})).total == TARIFF.quote("solo", [], "EUR").total


def test_a_plan_that_is_too_small_says_what_is_over():
    with pytest.raises(LimitExceeded, match=r"clinics: 2 of 1, users: 9 of 5"):
        TARIFF.refuse_too_small("solo", {"clinics": 2, "users": 9, "storage_gb": 1})
    TARIFF.refuse_too_small("group", {"clinics": 200, "users": 900, "storage_gb": 500})


def test_a_retired_plan_is_kept_and_not_chosen_anew():
    plans = {**TARIFF.model_dump()["plans"]}
    plans["group"] = {**plans["group"], "offered": False}
    tariff = changed(plans=plans)
    assert tariff.plan("group").price["EUR"] == Decimal("149.00")
    with pytest.raises(PlanRetired, match="practice, solo"):
        tariff.plan("group", new=True)


def test_what_is_not_sold_is_refused_with_what_is():
    with pytest.raises(UnknownPlan, match="group, practice, solo"):
        TARIFF.quote("platinum", [], "EUR")
    with pytest.raises(CurrencyNotOffered, match="CHF, EUR, GBP"):
        TARIFF.quote("solo", [], "USD")
    assert TARIFF.currency_for("USD") == "EUR"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"modules": {"agenda": {"EUR": "12.00"}}}, "in each of"),
        ({"default_plan": "platinum"}, "no plan that is offered"),
        ({"modules": {"agenda": {"EUR": "12.005", "GBP": "1.00", "CHF": "1.00"}}}, "decimal"),
        ({"modules": {"agenda": {"EUR": "-1.00", "GBP": "1.00", "CHF": "1.00"}}}, "greater than or equal"),
    ],
)
def test_a_tariff_with_a_hole_is_refused(changes, why):
    with pytest.raises(ValidationError, match=why):
        changed(**changes)

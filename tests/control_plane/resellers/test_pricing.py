"""A reseller's prices: the floor under them, and the tariffs made of them."""

from dataclasses import replace
from decimal import Decimal

import pytest

from control_plane.plans import official_tariff
from control_plane.resellers.errors import BelowFloor, UnknownItem
from control_plane.resellers.pricing import check_prices, price_list, retail, wholesale
from control_plane.resellers.terms import Terms

TERMS = Terms(wholesale_percent=Decimal("80.00"))
TARIFF = official_tariff()


def test_a_price_below_the_floor_is_refused_with_every_item_that_is_below():
    own = {"plan.solo": {"EUR": Decimal("23.19"), "GBP": Decimal("30.00")}, "module.agenda": {"CHF": Decimal("1.00")}}
    with pytest.raises(BelowFloor, match=r"plan\.solo: 23\.19 EUR is less than 23\.20 EUR; module\.agenda: 1\.00 CHF"):
        check_prices(TARIFF, TERMS, own)
    check_prices(TARIFF, TERMS, {"plan.solo": {"EUR": Decimal("23.20")}})


@pytest.mark.parametrize("own", [{"plan.gold": {"EUR": Decimal(99)}}, {"plan.solo": {"USD": Decimal(99)}}])
def test_what_the_tariff_does_not_sell_has_no_price(own):
    with pytest.raises(UnknownItem):
        check_prices(TARIFF, TERMS, own)


def test_clinics_are_quoted_the_reseller_s_prices_and_the_tariff_s_where_it_has_none():
    quote = retail(TARIFF, TERMS, {"plan.solo": {"EUR": Decimal("35.00")}}).quote("solo", ["patients", "agenda"], "EUR")
    assert {line.item: line.amount for line in quote.lines} == {
        "plan.solo": Decimal("35.00"),
        "module.agenda": Decimal("12.00"),
        "module.patients": Decimal("0.00"),
    }


def test_a_floor_that_rose_over_an_earlier_price_lifts_it():
    own = {"plan.solo": {"EUR": Decimal("23.20")}}
    now = next(price for price in price_list(TARIFF, replace(TERMS, wholesale_percent=Decimal(90)), own) if price.own)
    assert (now.floor, now.own, now.asked) == (Decimal("26.10"), Decimal("23.20"), Decimal("26.10"))


def test_a_reseller_that_pays_itself_pays_wholesale_whatever_it_asks_of_its_clinics():
    assert wholesale(TARIFF, TERMS).quote("solo", ["agenda"], "EUR").total == Decimal("23.20") + Decimal("9.60")

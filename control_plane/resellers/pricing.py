"""A reseller's prices over the platform's: a tariff with other amounts, so that whoever quotes needs to know nothing of resellers. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from control_plane.plans.tariff import Tariff
from control_plane.resellers.errors import BelowFloor, UnknownItem
from control_plane.resellers.terms import Terms

Prices = Mapping[str, Mapping[str, Decimal]]
"""{item: {currency: amount}}, with items as in a quote: `plan.solo`, `module.agenda`."""
NOTHING: Final[Prices] = {}


@dataclass(frozen=True, slots=True)
class Price:
    """One thing the tariff sells: the tariff's price, the least a reseller may ask, and what it asks."""

    item: str
    currency: str
    listed: Decimal
    floor: Decimal
    own: Decimal | None

    @property
    def asked(self) -> Decimal:
        """Never below the floor, also where that rose after the price was made."""
        return max(self.own if self.own is not None else self.listed, self.floor)


def items(tariff: Tariff) -> Iterator[tuple[str, Mapping[str, Decimal]]]:
    """Everything the tariff sells, with its prices."""
    yield from ((f"plan.{name}", plan.price) for name, plan in tariff.plans.items())
    yield from ((f"module.{name}", price) for name, price in tariff.modules.items())


def price_list(tariff: Tariff, terms: Terms, own: Prices = NOTHING) -> list[Price]:
    """What this reseller's clinics are asked for each thing, in each currency."""
    return [
        Price(item, currency, listed, terms.wholesale(listed), own.get(item, {}).get(currency))
        for item, prices in items(tariff)
        for currency, listed in prices.items()
    ]


def check_prices(tariff: Tariff, terms: Terms, own: Prices) -> None:
    """Raises UnknownItem, BelowFloor with everything that is below."""
    listed = dict(items(tariff))
    below = []
    for item, prices in own.items():
        for currency, amount in prices.items():
            if currency not in listed.get(item, {}):
                raise UnknownItem(item, currency, tariff.id)
            if amount < (floor := terms.wholesale(listed[item][currency])):
                below.append((item, currency, amount, floor))
    if below:
        raise BelowFloor(below)


def retail(tariff: Tariff, terms: Terms, own: Prices) -> Tariff:
    """The tariff a clinic of this reseller is quoted and charged by."""
    return _with(tariff, {(price.item, price.currency): price.asked for price in price_list(tariff, terms, own)})


def wholesale(tariff: Tariff, terms: Terms) -> Tariff:
    """The tariff the reseller itself is charged by."""
    return _with(tariff, {(price.item, price.currency): price.floor for price in price_list(tariff, terms)})


def _with(tariff: Tariff, amounts: Mapping[tuple[str, str], Decimal]) -> Tariff:
    plans = {
        name: plan.model_copy(update={"price": {currency: amounts[f"plan.{name}", currency] for currency in plan.price}})
        for name, plan in tariff.plans.items()
    }
    modules = {name: {currency: amounts[f"module.{name}", currency] for currency in prices} for name, prices in tariff.modules.items()}
    return tariff.model_copy(update={"plans": plans, "modules": modules})

"""Tariffs as values, and what a choice costs. Pure. Amounts are net, for one month, with two decimals."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from control_plane.compliance.schema import Text
from control_plane.plans.errors import CurrencyNotOffered, LimitExceeded, PlanRetired, UnknownPlan
from dentalpin_kit.canonical import digest

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Amount = Annotated[Decimal, Field(ge=0, max_digits=9, decimal_places=2)]
Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
ZERO = Decimal("0.00")
NO_PRICES: Mapping[str, Decimal] = MappingProxyType({})


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(Strict):
    """None: no limit."""

    clinics: int | None = Field(None, ge=1)
    users: int | None = Field(None, ge=1)
    storage_gb: int | None = Field(None, ge=1)

    def exceeded_by(self, present: Mapping[str, int]) -> dict[str, tuple[int, int]]:
        """{limit: (present, allowed)} for what is over."""
        return {name: (present[name], limit) for name, limit in self if limit is not None and present.get(name, 0) > limit}


class Plan(Strict):
    title: Text
    summary: Text
    price: dict[Currency, Amount]
    limits: Limits = Limits()
    includes: tuple[str, ...] = ()
    """Modules that cost nothing more in this plan."""
    offered: bool = True


class Tariff(Strict):
    """Valid from a day on, until the next one. What a tenant agreed to stays its tariff until it agrees to another."""

    id: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}[a-z]?$")]
    valid_from: date
    trial_days: int = Field(ge=0, le=365)
    default_plan: str
    currencies: tuple[Currency, ...] = Field(min_length=1)
    """The first is used where a clinic's own currency is not among them."""
    law_adds_for_free: bool = True
    """Modules that are there because the law asks for them, and nobody chose, cost nothing."""
    plans: dict[Key, Plan] = Field(min_length=1)
    modules: dict[Key, dict[Currency, Amount]]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        wanted = set(self.currencies)
        for what, prices in [
            *((f"plans.{name}", plan.price) for name, plan in self.plans.items()),
            *((f"modules.{name}", price) for name, price in self.modules.items()),
        ]:
            if set(prices) != wanted:
                raise ValueError(f"{what} has prices in {sorted(prices)}; every price is given in each of {sorted(wanted)}")
        if self.default_plan not in self.plans or not self.plans[self.default_plan].offered:
            raise ValueError(f"default_plan {self.default_plan} is no plan that is offered")
        return self

    @property
    def digest(self) -> str:
        return digest(self.model_dump(mode="json"))

    @property
    def offered(self) -> dict[str, Plan]:
        return {name: plan for name, plan in self.plans.items() if plan.offered}

    def plan(self, name: str, *, new: bool = False) -> Plan:
        """Raises UnknownPlan, and PlanRetired where it is chosen anew."""
        if name not in self.plans:
            raise UnknownPlan(name, self.offered)
        if new and not self.plans[name].offered:
            raise PlanRetired(name, self.offered)
        return self.plans[name]

    def currency_for(self, wanted: str) -> str:
        return wanted if wanted in self.currencies else self.currencies[0]

    def quote(
        self,
        plan: str,
        modules: Iterable[str],
        currency: str,
        *,
        free: frozenset[str] = frozenset(),
        own: Mapping[str, Decimal] = NO_PRICES,
    ) -> "Quote":
        """What a plan with these modules costs. Modules without a price, included ones and `free` ones cost nothing and are shown.
        `own` are prices by item that take the place of the tariff's: a reseller's.

        Raises UnknownPlan, CurrencyNotOffered.
        """
        chosen = self.plan(plan)
        if currency not in self.currencies:
            raise CurrencyNotOffered(currency, self.currencies)
        item = f"plan.{plan}"
        lines = [Line(item, None, own.get(item, chosen.price[currency]), included=False)]
        for name in sorted(set(modules)):
            included = name in chosen.includes or name in free
            item = f"module.{name}"
            amount = ZERO if included else own.get(item, self.modules.get(name, {}).get(currency, ZERO))
            lines.append(Line(item, name, amount, included))
        return Quote(self.id, plan, currency, tuple(lines))

    def refuse_too_small(self, plan: str, present: Mapping[str, int]) -> None:
        """Raises LimitExceeded when what is there does not fit."""
        over = self.plan(plan).limits.exceeded_by(present)
        if over:
            raise LimitExceeded(plan, over)


@dataclass(frozen=True, slots=True)
class Line:
    """`item` names what is sold, for the provider as well: `plan.solo`, `module.agenda`."""

    item: str
    module: str | None
    amount: Decimal
    included: bool
    """Part of the plan, or given for free."""


@dataclass(frozen=True, slots=True)
class Quote:
    """What is paid a month, net: the lines add up to the total."""

    tariff: str
    plan: str
    currency: str
    lines: tuple[Line, ...]

    @property
    def total(self) -> Decimal:
        return sum((line.amount for line in self.lines), ZERO)

    @property
    def paid(self) -> dict[str, Decimal]:
        """What is charged for: {item: amount}."""
        return {line.item: line.amount for line in self.lines if line.amount}


def read_tariff(text: str) -> Tariff:
    """A tariff from YAML. Raises ValidationError, which names the field."""
    return Tariff.model_validate(yaml.safe_load(text))


@cache
def official_tariff() -> Tariff:
    """The tariff this version of the product ships; a platform's operators publish their own over it."""
    return read_tariff(files("control_plane.plans").joinpath("tariff.yaml").read_text(encoding="utf-8"))

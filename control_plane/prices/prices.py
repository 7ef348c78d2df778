from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import yaml
from pydantic import BaseModel, ConfigDict, Field


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    currency: str = Field(pattern=r"^[A-Z]{3}$")
    base: Decimal = Field(ge=0, decimal_places=2)
    modules: dict[str, Decimal]


@dataclass(frozen=True)
class PriceList:
    """Net prices a month in one currency, two decimals."""

    currency: str
    base: Decimal
    modules: MappingProxyType[str, Decimal]

    def of(self, module: str) -> Decimal:
        """A module's price; 0.00 where the list does not name it."""
        return self.modules.get(module, Decimal("0.00"))

    def total(self, modules: Iterable[str]) -> Decimal:
        return self.base + sum((self.of(module) for module in modules), Decimal("0.00"))


@cache
def load_prices() -> PriceList:
    """The price list this version of the product ships."""
    content = yaml.safe_load(files("control_plane.prices").joinpath("prices.yaml").read_text(encoding="utf-8"))
    parsed = _File.model_validate(content)
    return PriceList(parsed.currency, parsed.base, MappingProxyType(parsed.modules))
